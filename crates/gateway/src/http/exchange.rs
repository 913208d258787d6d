//! One request and its answer on an open stream.
//!
//! Promise: the connection is polled beside the answer, by the caller's own task; when the caller
//! stops polling, nothing is sent any more. No task is spawned that could outlive a lease.

use super::guard::{Guarded, Watch};
use super::{Call, Error, Exchange};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest wait that we let a server ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The request as hyper wants it, made of the call's headers and body. Its length is fixed, so a
/// peer cannot act on half of it.
pub(super) fn request(call: &mut Call<'_>) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(mem::take(&mut call.body)));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = call.base.uri(call.target)?;
    let headers = request.headers_mut();
    *headers = mem::take(&mut call.headers);
    headers.insert(header::HOST, call.base.host_header());
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("atomic-orders"));
    Some(request)
}

/// Sends the request and reads the whole answer.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    builder: &http1::Builder,
    stream: S,
    watch: Watch<'_>,
    request: Request<Full<Bytes>>,
    answer_bytes_max: usize,
) -> Result<Exchange, Error> {
    let io = TokioIo::new(Guarded::new(stream, watch));
    let (mut sender, connection) = builder.handshake(io).await.map_err(|e| error_of(&e))?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let response = sender.send_request(request).await.map_err(|e| error_of(&e))?;
        whole(response, answer_bytes_max).await
    });
    let mut open = true;
    poll_fn(|cx| {
        // First the answer, because its first poll is what hands the request to the connection.
        if let Poll::Ready(done) = answer.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        // How the connection ends is told to the answer, so its own result is no news.
        open = open && connection.as_mut().poll(cx).is_pending();
        answer.as_mut().poll(cx)
    })
    .await
}

async fn whole(response: Response<Incoming>, bytes_max: usize) -> Result<Exchange, Error> {
    let (head, mut body) = response.into_parts();
    let stated = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if stated > bytes_max {
        return Err(Error::Malformed);
    }
    let mut collected = BytesMut::with_capacity(stated);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| error_of(&e))?.into_data() else {
            continue;
        };
        if collected.len().saturating_add(data.len()) > bytes_max {
            return Err(Error::Malformed);
        }
        collected.extend_from_slice(&data);
    }
    Ok(Exchange {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers),
        headers: head.headers,
        body: collected.freeze(),
    })
}

fn error_of(error: &hyper::Error) -> Error {
    if error.is_parse() { Error::Malformed } else { Error::Broke }
}

/// Seconds, or a date, which is compared with the server's own `Date`: our clock is not asked.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let wanted = text(header::RETRY_AFTER)?.trim();
    let wait = if let Ok(seconds) = wanted.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let moment = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
        let (until, now) = (moment(wanted)?, moment(text(header::DATE)?)?);
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(retry: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry));
        if let Some(date) = date {
            headers.insert(header::DATE, HeaderValue::from_static(date));
        }
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_wait_that_a_server_asks_for_is_read_as_seconds_or_as_a_date() {
        let noon = "Sun, 06 Nov 1994 12:00:00 GMT";
        assert_eq!(wait("7", None), Some(7));
        assert_eq!(wait("99999999", None), Some(86_400));
        assert_eq!(wait("Sun, 06 Nov 1994 12:01:30 GMT", Some(noon)), Some(90));
        assert_eq!(wait("Sun, 06 Nov 1994 11:00:00 GMT", Some(noon)), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 12:01:30 GMT", None), None);
        assert_eq!(wait("soon", Some(noon)), None);
        assert_eq!(wait("-5", Some(noon)), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
