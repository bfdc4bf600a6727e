//! The columns of the works' tables. The first of each is drawn.

use crate::measures::{
    Against::{Baseline, FirstRound, MoreThanBaseline, MoreThanPhase, Phase, Slope},
    Column, Quantity, Show,
    Stalled::{self, Field, Grown, GrownEach},
    Unit, Value,
};

const CPU: Value = Value::of(Quantity::CpuPerOperation);
const RESIDENT: Value = Value::of(Quantity::ResidentBytes);
const P50: Value = Value::of(Quantity::LatencyP50);
const P99: Value = Value::of(Quantity::LatencyP99);

const CPU_TO_FLOOR: Column =
    Column::new("CPU to the floor", CPU.against(Baseline), Unit::Ratio, Show::Interval);
const KERNEL: Column =
    Column::new("in the kernel", Value::of(Quantity::KernelShare), Unit::Share, Show::Median);
const FRAME: Column =
    Column::new("frame, bytes", Value::of(Quantity::FrameBytes), Unit::Count, Show::Median);

pub const FANOUT: &[Column] = &[
    CPU_TO_FLOOR,
    Column::new("CPU per delivery", CPU, Unit::Time, Show::Quartiles),
    KERNEL,
    PER_SECOND,
    FRAME,
];

pub const ECHO: &[Column] = &[
    CPU_TO_FLOOR,
    Column::new("CPU per echo", CPU, Unit::Time, Show::Quartiles),
    KERNEL,
    PER_SECOND,
    FRAME,
];

pub const HANDSHAKE: &[Column] = &[
    CPU_TO_FLOOR,
    Column::new("CPU per handshake", CPU, Unit::Time, Show::Quartiles),
    KERNEL,
    PER_SECOND,
];

pub const PACED: &[Column] = &[
    Column::new("p50 to the floor", P50.against(Baseline), Unit::Ratio, Show::Interval),
    Column::new("p99 to the floor", P99.against(Baseline), Unit::Ratio, Show::Interval),
    Column::new("p50", P50, Unit::Time, Show::Quartiles),
    Column::new("p99", P99, Unit::Time, Show::Quartiles),
    FRAME,
];

pub const IDLE: &[Column] = &[
    Column::new("resident bytes", slope(Quantity::ResidentBytes), Unit::Bytes, Show::Interval),
    Column::new("proportional", slope(Quantity::ProportionalBytes), Unit::Bytes, Show::Quartiles),
    Column::new("kernel, both ends", slope(Quantity::KernelBytes), Unit::Bytes, Show::Quartiles),
];

pub const FAIR: &[Column] = &[
    Column::new(
        "p99 more than quiet",
        P99.against(MoreThanPhase("quiet")),
        Unit::Time,
        Show::Interval,
    ),
    Column::new("p50 quiet", P50.phase("quiet"), Unit::Time, Show::Quartiles),
    Column::new("p99 quiet", P99.phase("quiet"), Unit::Time, Show::Quartiles),
    Column::new("p50 loaded", P50, Unit::Time, Show::Quartiles),
    Column::new("p99 loaded", P99, Unit::Time, Show::Quartiles),
    Column::new("elsewhere, p50", P50.client(ELSEWHERE), Unit::Time, Show::Median),
    Column::new("elsewhere, p99", P99.client(ELSEWHERE), Unit::Time, Show::Quartiles),
    Column::new(
        "elsewhere, p99 more than quiet",
        P99.client(ELSEWHERE).against(MoreThanPhase("quiet")),
        Unit::Time,
        Show::Interval,
    ),
];

const ELSEWHERE: &str = "elsewhere";

pub const STALLED: &[Column] = &[
    Column::new("healthy p99, ratio", P99.against(Phase("healthy")), Unit::Ratio, Show::Interval),
    Column::new("healthy p50, ratio", P50.against(Phase("healthy")), Unit::Ratio, Show::Median),
    Column::new("p99 without", P99.phase("healthy"), Unit::Time, Show::Median),
    Column::new("p99 with", P99, Unit::Time, Show::Median),
    stalled("server grew", Grown("rss_before_bytes", "rss_peak_bytes"), Unit::Bytes),
    stalled("kernel, each", GrownEach("sockets_before_bytes", "sockets_peak_bytes"), Unit::Bytes),
    stalled("closed", Field("closed"), Unit::Count),
    stalled("told in gaps", Field("told_in_gaps"), Unit::Count),
    stalled("missing", Field("missing"), Unit::Count),
    stalled("full", Field("filled"), Unit::Share),
];

pub const RECONNECT: &[Column] = &[
    Column::new("99 % restored", storm("restored_99_ns"), Unit::Time, Show::Interval),
    Column::new("50 %", storm("restored_50_ns"), Unit::Time, Show::Median),
    Column::new("all", storm("restored_all_ns"), Unit::Time, Show::Median),
    Column::new("first connect", Value::of(Quantity::ReadyTime), Unit::Time, Show::Quartiles),
    Column::new("p99 of the untouched", storm("untouched_p99_ns"), Unit::Time, Show::Median),
    Column::new("missing or doubled", storm("wrong"), Unit::Count, Show::Median),
];

pub const DEFLATE: &[Column] = &[
    Column::new("CPU to uncompressed", CPU.against(Baseline), Unit::Ratio, Show::Interval),
    Column::new("CPU per delivery", CPU, Unit::Time, Show::Quartiles),
    KERNEL,
    Column::new("resident more", RESIDENT.against(MoreThanBaseline), Unit::Bytes, Show::Last),
    FRAME,
];

pub const WORKERS_LATENCY: &[Column] = &[
    Column::new("p50 more", P50.against(MoreThanBaseline), Unit::Time, Show::Interval),
    Column::new("p50", P50, Unit::Time, Show::Quartiles),
    Column::new("p99", P99, Unit::Time, Show::Quartiles),
];

pub const LARGE: &[Column] = &[
    CPU_TO_FLOOR,
    Column::new("CPU per delivery", CPU, Unit::Time, Show::Quartiles),
    KERNEL,
    Column::new("resident, at last", RESIDENT, Unit::Bytes, Show::Last),
    FRAME,
];

pub const LONG: &[Column] = &[
    Column::new(
        "resident to the first minute",
        RESIDENT.against(FirstRound),
        Unit::Ratio,
        Show::Last,
    ),
    Column::new("first minute", RESIDENT, Unit::Bytes, Show::First),
    Column::new("last minute", RESIDENT, Unit::Bytes, Show::Last),
];

const PER_SECOND: Column =
    Column::new("per second", Value::of(Quantity::OperationsPerSecond), Unit::Count, Show::Median);

const fn slope(quantity: Quantity) -> Value {
    Value::of(quantity).against(Slope("few", "more"))
}

const fn stalled(title: &'static str, field: Stalled, unit: Unit) -> Column {
    Column::new(title, Value::of(Quantity::Stalled(field)), unit, Show::Median)
}

const fn storm(field: &'static str) -> Value {
    Value::of(Quantity::Storm(field))
}
