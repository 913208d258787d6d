//! The sandbox over real TCP: what it promises to those who test with it.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod client;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod stripe;
#[cfg(test)]
mod zinc;
