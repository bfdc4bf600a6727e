//! What is counted during one slice, and how that becomes its result. Whoever measures counts here;
//! what the server took comes from `account`.

use hdrhistogram::Histogram;

use super::account::{Account, own_cpu_ns};
use super::clock::now_ns;
use super::crowd::Crowd;
use super::flags::Plan;
use super::report::{Client, Latency, Server, Slice, histogram};

/// Above this share of a core the client itself is the limit.
const TOO_BUSY: f64 = 0.95;

/// The counters of a slice.
#[derive(Debug)]
pub struct Tally {
    /// Messages published.
    pub published: u64,
    /// Deliveries, echoes or handshakes.
    pub operations: u64,
    /// What `operations` would be if nothing were lost or doubled.
    pub expected: u64,
    /// Messages that somebody never got.
    pub lost: u64,
    /// Messages that somebody got again.
    pub duplicated: u64,
    /// Messages that somebody got after a later one.
    pub reordered: u64,
    /// Connections that ended without being asked to.
    pub closed: u64,
    /// Gaps that were told.
    pub gaps_told: u64,
    /// How long operations took.
    pub latency: Histogram<u64>,
}

impl Tally {
    /// All at nothing.
    pub fn new() -> Result<Self, String> {
        histogram::empty().map(Self::with)
    }

    fn with(latency: Histogram<u64>) -> Self {
        Self {
            latency,
            published: 0,
            operations: 0,
            expected: 0,
            lost: 0,
            duplicated: 0,
            reordered: 0,
            closed: 0,
            gaps_told: 0,
        }
    }

    /// Back to nothing; what is allocated stays.
    pub fn clear(&mut self) {
        self.latency.reset();
        (self.published, self.operations, self.expected) = (0, 0, 0);
        (self.lost, self.duplicated, self.reordered) = (0, 0, 0);
        (self.closed, self.gaps_told) = (0, 0);
    }

    /// An operation took so long.
    #[inline]
    pub fn took(&mut self, ns: u64) {
        self.latency.saturating_record(ns.max(1));
    }
}

/// The clocks and accounts of slices, one after the other.
#[derive(Debug)]
pub struct Meter {
    account: Option<Account>,
    began_ns: u64,
    cpu_ns: u64,
    received: u64,
}

impl Meter {
    /// Of the server's processes, where they are known.
    pub fn of(plan: &Plan) -> Result<Self, String> {
        let common = &plan.common;
        let account = (!common.pid.is_empty())
            .then(|| Account::open(&common.pid, common.count_syscalls))
            .transpose();
        let account = account.map_err(|error| format!("--pid: {error}"))?;
        Ok(Self { account, began_ns: 0, cpu_ns: 0, received: 0 })
    }

    /// What the server holds now, as an object of its own.
    pub fn server_now(&mut self) -> Result<Option<Server>, String> {
        let Some(account) = &mut self.account else { return Ok(None) };
        account.standing().map(Some).map_err(|error| format!("--pid: {error}"))
    }

    /// A slice begins now. Says when.
    pub fn begin(&mut self, received: u64) -> Result<u64, String> {
        if let Some(account) = &mut self.account {
            account.begin().map_err(|error| format!("--pid: {error}"))?;
        }
        self.received = received;
        self.cpu_ns = own_cpu_ns();
        self.began_ns = now_ns();
        Ok(self.began_ns)
    }

    /// It is over: the part of its result that all scenarios have.
    pub fn end(&mut self, plan: &Plan, tally: &Tally, crowd: &Crowd) -> Result<Slice, String> {
        let elapsed_ns = now_ns() - self.began_ns;
        let cpu_ns = own_cpu_ns() - self.cpu_ns;
        let account = self.account.as_mut().map(|account| account.end(tally.operations));
        let account = account.transpose().map_err(|error| format!("--pid: {error}"))?;
        let (server, syscalls_per_operation) = match account {
            Some((server, calls)) => (Some(server), calls),
            None => (None, None),
        };
        let histogram = (!tally.latency.is_empty()).then(|| histogram::encode(&tally.latency));
        let busy = cpu_ns as f64 / elapsed_ns.max(1) as f64;
        Ok(Slice {
            scenario: plan.scenario.as_str().into(),
            dialect: plan.dialect().as_str().into(),
            url: plan.url().into(),
            connections: crowd.lines[..crowd.talker()].iter().filter(|line| line.is_open()).count()
                as u64,
            size: plan.common.size as u64,
            processes: 1,
            elapsed_ns,
            published: tally.published,
            operations: tally.operations,
            expected: tally.expected,
            lost: tally.lost,
            duplicated: tally.duplicated,
            reordered: tally.reordered,
            closed: tally.closed,
            bytes_received: crowd.received - self.received,
            frame_bytes: crowd.frame_bytes(),
            latency_ns: Latency::of(&tally.latency),
            client: Client { cpu_ns, busy, limit: busy > TOO_BUSY },
            server,
            syscalls_per_operation,
            histogram: histogram.transpose()?,
            ..Slice::default()
        })
    }
}
