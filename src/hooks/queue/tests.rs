//! The queue: bounded, in order, everything once.

use super::*;

#[test]
fn it_is_bounded_and_keeps_the_order() {
    let queue = Queue::default();
    assert!(queue.push('a', 40, 100) && queue.push('b', 60, 100));
    assert!(!queue.push('c', 1, 100));
    assert_eq!((queue.bytes(), queue.pop(), queue.bytes()), (100, Some('a'), 60));
    assert!(queue.push('c', 40, 100) && queue.push('d', 0, 100));
    assert_eq!(queue.pop_some(9, 99), ['b']);
    assert_eq!(queue.pop_some(1, 99), ['c']);
    queue.close();
    assert!(!queue.push('e', 0, 100));
    assert_eq!((queue.pop(), queue.pop(), queue.bytes()), (Some('d'), None, 0));
    queue.rest(Duration::MAX);
}

#[test]
fn everything_comes_out_once() {
    let queue = Queue::default();
    let taken = std::thread::scope(|scope| {
        let take = || std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>();
        let takers = [scope.spawn(take), scope.spawn(take)];
        assert!((0..1000).all(|item| queue.push(item, 1, 1000)));
        queue.close();
        let taken = takers.map(|taker| taker.join().expect("no panic"));
        assert!(taken.iter().all(|taken| taken.is_sorted()));
        taken.concat()
    });
    let mut sorted = taken;
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..1000));
}
