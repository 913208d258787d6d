//! What a fake answers, and how the answer travels: whole, cut, twice, or not at all.

use crate::clock::{Clock, Sleep};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// How an answer reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As it should.
    Whole,
    /// Not a byte: the connection closes.
    Never,
    /// Half of the body, then the connection closes.
    Cut,
    /// Half of the body, then the connection is reset.
    Reset,
    /// The whole answer, and the same bytes once more.
    Twice,
    /// One byte a second.
    Trickle,
}

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Bytes,
    /// The body's type.
    pub(crate) content_type: &'static str,
    /// Set when this is the stored answer to a repeated Stripe key.
    pub(crate) replayed: bool,
    /// The seconds that the client is asked to wait, if it is.
    pub(crate) retry_after_s: Option<u32>,
    /// Stripe's word on whether to repeat the call, if it says one.
    pub(crate) should_retry: Option<bool>,
    /// Stripe's id of the call.
    pub(crate) request_id: Option<String>,
    /// Not to be sent before this time; 0 is at once.
    pub(crate) not_before_ms: i64,
    /// How it travels.
    pub(crate) delivery: Delivery,
}

impl Reply {
    /// A JSON answer that travels well.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            body: body.into(),
            content_type: "application/json",
            replayed: false,
            retry_after_s: None,
            should_retry: None,
            request_id: None,
            not_before_ms: 0,
            delivery: Delivery::Whole,
        }
    }

    /// JSON lines.
    pub(crate) fn lines(body: Vec<u8>) -> Self {
        Self { content_type: "application/x-ndjson", ..Self::json(200, body) }
    }

    /// A page of the kind that a proxy in between shows: no JSON at all.
    pub(crate) fn page(status: u16) -> Self {
        let body = format!("<html><body><h1>{status}</h1></body></html>");
        Self { content_type: "text/html", ..Self::json(status, body) }
    }

    /// The same answer, travelling in another way.
    pub(crate) fn delivered(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }
}

/// Why a connection ended: on purpose.
#[derive(Debug)]
pub(crate) struct Severed;

impl fmt::Display for Severed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sandbox closed the connection on purpose")
    }
}

impl std::error::Error for Severed {}

/// A body that may break off in the middle, having announced its full length.
pub(crate) struct Content {
    rest: Option<Bytes>,
    length: u64,
    cut: Cut,
}

enum Cut {
    No,
    Trickle(Trickle),
    BeforeHalf,
    /// Half is handed over and must reach the wire first: the body stays silent for one turn, which
    /// makes hyper flush.
    Flushing,
    Due,
}

/// A pace of one byte a second, by the world's clock.
struct Trickle {
    clock: Arc<dyn Clock>,
    wait: Option<Sleep<'static>>,
}

impl Trickle {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wait = self.wait.get_or_insert_with(|| {
            let clock = Arc::clone(&self.clock);
            let at_ms = clock.now_ms() + 1000;
            Box::pin(async move { clock.sleep_until(at_ms).await })
        });
        ready!(wait.as_mut().poll(cx));
        self.wait = None;
        Poll::Ready(())
    }
}

impl Content {
    /// The whole body, or half of it.
    pub(crate) fn new(body: Bytes, cut: bool) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(0);
        let cut = if cut { Cut::BeforeHalf } else { Cut::No };
        Self { rest: (!body.is_empty()).then_some(body), length, cut }
    }

    /// The whole body, one byte a second.
    pub(crate) fn trickle(body: Bytes, clock: Arc<dyn Clock>) -> Self {
        Self { cut: Cut::Trickle(Trickle { clock, wait: None }), ..Self::new(body, false) }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        if let Cut::Trickle(trickle) = &mut self.cut {
            ready!(trickle.poll_next(cx));
            let Some(mut rest) = self.rest.take() else { return Poll::Ready(None) };
            let byte = rest.split_to(1);
            self.rest = (!rest.is_empty()).then_some(rest);
            return Poll::Ready(Some(Ok(Frame::data(byte))));
        }
        match self.cut {
            Cut::No | Cut::Trickle(_) => {
                Poll::Ready(self.rest.take().map(|rest| Ok(Frame::data(rest))))
            }
            Cut::BeforeHalf => {
                self.cut = Cut::Flushing;
                let half = self.rest.take().map(|rest| rest.slice(..rest.len() / 2));
                Poll::Ready(Some(Ok(Frame::data(half.unwrap_or_default()))))
            }
            Cut::Flushing => {
                self.cut = Cut::Due;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Cut::Due => Poll::Ready(Some(Err(Severed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.cut, Cut::No | Cut::Trickle(_)) && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
