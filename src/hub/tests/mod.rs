//! The hub: each rule by a story or a table of its own, then random operations beside the model.

mod history;
mod latest;
mod model;
mod page;
mod shard;
mod words;

use model::{Op, Pair, Start, Who};
use proptest::prelude::*;

use super::{Kind, Now, Position, Publication};

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, mono_us: mono_ms * 1000, wall_ms: 1_790_000_000_000 }
}

fn publication(position: Position, payload: &[u8]) -> Publication {
    let (from, key) = (None, None);
    Publication { position, kind: Kind::Json, timestamp: 1, from, key, payload: payload.into() }
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        6 => (0u8..12).prop_map(Start::Back),
        1 => any::<u8>().prop_map(Start::Ahead),
        1 => any::<u8>().prop_map(Start::Past),
        1 => Just(Start::Nonsense),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    (any::<u8>(), any::<u8>(), any::<bool>(), prop::bool::weighted(0.3))
        .prop_map(|(worker, encoding, latest, paced)| Who { worker, encoding, latest, paced })
}

fn op() -> impl Strategy<Value = Op> {
    let n = any::<u8>;
    let sometimes = prop::option::of::<BoxedStrategy<Start>>;
    let start = || start().boxed();
    prop_oneof![
        10 => (n(), n(), prop::option::weighted(0.2, (n(), n())), n()).prop_map(
            |(channel, size, key, conflates)| Op::Publish { channel, size, key, conflates }
        ),
        3 => (n(), who(), sometimes(start()), prop::option::of(0u8..8))
            .prop_map(|(channel, who, since, last)| Op::Join { channel, who, since, last }),
        3 => n().prop_map(|which| Op::Leave { which }),
        4 => (n(), start(), prop::option::of(n()))
            .prop_map(|(which, since, short_of)| Op::Pull { which, since, short_of }),
        3 => (n(), start()).prop_map(|(which, since)| Op::Round { which, since }),
        1 => (n(), 0u16..4000).prop_map(|(count, age_ms)| Op::Rule { count, age_ms }),
        2 => (n(), sometimes(start()), sometimes(start()), 0u8..8).prop_map(
            |(channel, since, before, limit)| Op::History { channel, since, before, limit }
        ),
        1 => n().prop_map(|channel| Op::Describe { channel }),
        1 => (prop::option::of(n()), 0u8..6).prop_map(|(after, limit)| Op::List { after, limit }),
        1 => (0u16..4000).prop_map(|ms| Op::Wait { ms }),
        1 => Just(Op::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_behaves_like_the_model(
        most in prop_oneof![Just(0usize), 300usize..4000, Just(1 << 20)],
        script in prop::collection::vec(op(), 0..120),
    ) {
        Pair::new(most).run(script);
    }
}
