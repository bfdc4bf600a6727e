//! What a window keeps in memory. What it gives out is compared with a model in `feed/tests`.

use super::*;

fn frame(length: usize) -> Frames {
    vec![7; length].into()
}

#[test]
fn an_entry_costs_what_it_is_charged() {
    assert_eq!(FRAME_OVERHEAD, 32);
}

#[test]
fn a_window_that_is_never_empty_stays_within_a_few_times_its_bytes() {
    for length in [1, 10, 100, 5000, LARGE_FRAME, 100_000] {
        let (mut window, mut spare) = (Window::default(), Spare::default());
        let (most, frame) = (64 << 10, frame(length));
        for index in 1..=20_000 {
            window.push(index, &frame, most, &mut spare);
            assert!(window.bytes() <= most.max(length + FRAME_OVERHEAD));
            assert_eq!(window.bytes(), spare.bytes());
        }
        let body = window.body.as_ref().expect("it holds something");
        let own = body.small.capacity() + body.entries.capacity() * FRAME_OVERHEAD;
        assert!(own <= 5 * most, "{own} bytes for frames of {length}");
        assert_eq!(body.first + body.entries.len() as u64 - 1, 20_000);
    }
}

#[test]
fn the_newest_stays_whatever_its_size() {
    let (mut window, mut spare) = (Window::default(), Spare::default());
    for (index, length) in [(5, 10), (6, 500), (7, LARGE_FRAME), (8, 40)] {
        window.push(index, &frame(length), 0, &mut spare);
        assert_eq!(window.first(), Some(index));
        assert!(matches!(window.run(index, None), Run::CaughtUp));
        assert!(matches!(window.run(index - 2, None), Run::Fallen));
        let given = match window.run(index - 1, None) {
            Run::Frames(bytes) => bytes.len(),
            Run::Large(frames) => frames.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(given, length);
    }
}

#[test]
fn emptied_windows_leave_few_and_small_buffers() {
    let mut spare = Spare::default();
    let mut windows: Vec<Window> = Vec::new();
    for number in 0..2 * MAX_SPARE_BODIES {
        let mut window = Window::default();
        let frame = frame(if number % 2 == 0 { 100 } else { 15_000 });
        for index in 0..10 {
            window.push(index, &frame, 1 << 20, &mut spare);
        }
        windows.push(window);
    }
    for window in &mut windows {
        window.clear(&mut spare);
        window.clear(&mut spare);
        assert_eq!((window.bytes(), window.first()), (0, None));
    }
    assert_eq!(spare.bytes(), 0);
    assert_eq!(spare.bodies.len(), MAX_SPARE_BODIES);
    for body in &spare.bodies {
        assert!(body.entries.is_empty() && body.small.is_empty() && body.large.is_empty());
        assert!(body.small.capacity() <= MAX_SPARE_BYTES);
    }
}
