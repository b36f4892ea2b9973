//! How many connections and associations there may be at once, in all and from one address.
//!
//! A connection that has not asked for an association yet costs next to nothing, and there is no telling a
//! slow peer from a hostile one: such connections have places of their own, and when those are taken, the
//! address that holds most of them loses its oldest. Who asks properly is counted as an association only
//! then, so that no number of silent sockets keeps anybody out.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::config::Limits;

/// Places for connections that have not asked for an association yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    most: usize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// In the order of their arrival. Dropping the sender tells the connection to go.
    taken: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    waiting: Arc<Waiting>,
    number: u64,
    lost: oneshot::Receiver<()>,
}

/// How many associations there are.
#[derive(Debug)]
pub(crate) struct Counts {
    most: usize,
    most_per_address: usize,
    now: Mutex<HashMap<IpAddr, usize>>,
}

/// An association that counts; until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    counts: Arc<Counts>,
    address: IpAddr,
}

/// A panic elsewhere leaves numbers as true as they were.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self { most: limits.pending.max(1), places: Mutex::default() })
    }

    /// A place for a connection from `address`; another connection may lose its own for it.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Place {
        let (keep, lost) = oneshot::channel();
        let mut places = lock(&self.places);
        if places.taken.len() >= self.most {
            places.free_one();
        }
        let number = places.next;
        places.next += 1;
        places.taken.insert(number, (address, keep));
        metrics::gauge!("foci_dicom_connections_waiting").set(places.taken.len() as f64);
        Place { waiting: self.clone(), number, lost }
    }

    /// Takes a place away, because there is no room for another connection at all.
    pub(crate) fn free_one(&self) {
        lock(&self.places).free_one();
    }
}

impl Places {
    /// Takes the oldest place of the address that holds most.
    fn free_one(&mut self) {
        let mut held: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        for (number, (address, _)) in &self.taken {
            held.entry(*address).or_insert((0, *number)).0 += 1;
        }
        let most = held.values().max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        if let Some((_, oldest)) = most {
            self.taken.remove(oldest);
            metrics::counter!("foci_dicom_connections_evicted_total").increment(1);
        }
    }
}

impl Place {
    /// Returns when the place was given to another.
    pub(crate) async fn lost(&mut self) {
        // Nobody sends anything: the other end is dropped.
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&self.waiting.places);
        places.taken.remove(&self.number);
        metrics::gauge!("foci_dicom_connections_waiting").set(places.taken.len() as f64);
    }
}

impl Counts {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let most_per_address = limits.associations_per_address;
        Arc::new(Self { most: limits.associations, most_per_address, now: Mutex::default() })
    }

    /// Counts an association from `address`; `None`: there are as many as there may be.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let mut now = lock(&self.now);
        let all: usize = now.values().sum();
        let here = now.get(&address).copied().unwrap_or(0);
        if all >= self.most || here >= self.most_per_address {
            return None;
        }
        now.insert(address, here + 1);
        metrics::gauge!("foci_dicom_associations").set((all + 1) as f64);
        Some(Counted { counts: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut now = lock(&self.counts.now);
        if let Some(count) = now.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                now.remove(&self.address);
            }
        }
        metrics::gauge!("foci_dicom_associations").set(now.values().sum::<usize>() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(pending: usize, associations: usize, associations_per_address: usize) -> Limits {
        Limits { pending, associations, associations_per_address, ..Limits::default() }
    }

    #[tokio::test]
    async fn the_crowd_loses_its_oldest_place_and_the_single_caller_keeps_hers() {
        let (crowd, caller) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let waiting = Waiting::new(&limits(3, 1, 1));
        let mut hers = waiting.enter(caller);
        let mut first = waiting.enter(crowd);
        let mut second = waiting.enter(crowd);
        let mut third = waiting.enter(crowd);
        first.lost().await;
        for kept in [&mut hers, &mut second, &mut third] {
            assert!(kept.lost.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        }
    }

    #[test]
    fn associations_are_counted_in_all_and_by_address_until_they_end() {
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let counts = Counts::new(&limits(1, 3, 2));
        let first = counts.enter(one).unwrap();
        let _second = counts.enter(one).unwrap();
        assert!(counts.enter(one).is_none(), "two from one address");
        let _third = counts.enter(two).unwrap();
        assert!(counts.enter(two).is_none(), "three in all");
        drop(first);
        assert!(counts.enter(two).is_some());
    }
}
