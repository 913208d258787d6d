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
mod shop;
#[cfg(test)]
mod stripe;
#[cfg(test)]
mod stripe_deliveries;
#[cfg(test)]
mod stripe_events;
#[cfg(test)]
mod stripe_faults;
#[cfg(test)]
mod stripe_lists;
#[cfg(test)]
mod stripe_money;
#[cfg(test)]
mod stripe_oracle;
#[cfg(test)]
mod stripe_signals;
#[cfg(test)]
mod zinc;
