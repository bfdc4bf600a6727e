//! Feeds: each rule by a story of its own, then random stories beside the model.

mod model;
mod stories;

use model::{Op, Pair};
use proptest::prelude::*;

fn op() -> impl Strategy<Value = Op> {
    let size = any::<u16>();
    let which = any::<u8>();
    let room = prop_oneof![2 => 0u16..2000, 1 => Just(u16::MAX)];
    let skip = prop_oneof![3 => Just(None), 1 => which.prop_map(Some)];
    prop_oneof![
        8 => (size, prop::bool::weighted(0.1), skip)
            .prop_map(|(size, large, skip)| Op::Publish { size, large, skip }),
        1 => size.prop_map(|size| Op::Lose { size }),
        1 => (0u8..3).prop_map(|head| Op::NewEpoch { head }),
        3 => Just(Op::Join),
        2 => Just(Op::JoinLive),
        2 => which.prop_map(|which| Op::Leave { which }),
        6 => which.prop_map(|which| Op::Page { which }),
        6 => (0u8..6, room.clone()).prop_map(|(visits, room)| Op::Pass { visits, room }),
        4 => (which, room).prop_map(|(which, room)| Op::Unblock { which, room }),
        1 => Just(Op::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(
        window in prop_oneof![Just(0usize), 1usize..3000, Just(40_000), Just(256 << 10)],
        script in prop::collection::vec(op(), 0..150),
    ) {
        Pair::new(window).run(script);
    }
}
