//! From values to places: a straight scale, or a logarithmic one where values are far apart.

/// The scale of a figure.
#[derive(Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

/// How many times the smallest value the largest must be for a logarithmic scale.
const FAR_APART: f64 = 6.0;
/// About so many ticks.
const TICKS: f64 = 6.0;

impl Axis {
    /// A scale on which all values have their place, with a little room on both sides.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let logarithmic = low > 0.0 && high > low * FAR_APART;
        if logarithmic {
            let room = (high / low).powf(0.04);
            return Self { low: low / room, high: high * room, logarithmic };
        }
        let width = if high > low { high - low } else { high.abs().max(1.0) };
        Self { low: low - width * 0.04, high: high + width * 0.04, logarithmic }
    }

    /// From 0 at the left end to 1 at the right one.
    pub fn place(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.logarithmic { value.ln() } else { value };
        let (low, high) = (scaled(self.low), scaled(self.high));
        ((scaled(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Round values within the scale.
    pub fn ticks(&self) -> Vec<f64> {
        if self.logarithmic { self.powers() } else { self.steps() }
    }

    fn powers(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let digits: &[f64] = if decades < 1.5 {
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]
        } else if decades < 3.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let exponents = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        exponents
            .flat_map(|exponent| digits.iter().map(move |digit| digit * 10f64.powi(exponent)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect()
    }

    fn steps(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / TICKS;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|count| count as f64 * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn close_values_are_on_a_straight_scale() {
        let axis = Axis::of([1.0, 1.5, 2.0].into_iter());
        assert!((axis.place(1.5) - 0.5).abs() < 1e-9);
        assert_eq!(axis.ticks().len(), 6);
        assert!(axis.ticks().iter().all(|tick| (0.9..=2.1).contains(tick)));
    }

    #[test]
    fn values_far_apart_are_on_a_logarithmic_scale() {
        let axis = Axis::of([1.0, 10.0, 100.0].into_iter());
        assert!((axis.place(10.0) - 0.5).abs() < 1e-9);
        assert_eq!(axis.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn odd_samples_have_a_scale_too() {
        for values in [vec![1.0], vec![0.0], vec![-3.0, 5.0], vec![-2.0, -1.0], vec![1e-9, 1e9]] {
            let axis = Axis::of(values.iter().copied());
            assert!(!axis.ticks().is_empty(), "{values:?}");
            assert!(values.iter().all(|&value| (0.0..=1.0).contains(&axis.place(value))));
        }
    }
}
