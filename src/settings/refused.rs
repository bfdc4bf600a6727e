//! Why there are no settings: what was asked for cannot be understood, or cannot be. One line for
//! each thing that is wrong.

use std::fmt;
use std::io::Write as _;

/// Why there are no settings.
#[derive(Debug)]
pub enum Refused {
    /// The arguments are none; or help was asked for, which ends here too.
    Usage(Box<clap::Error>),
    /// Each begins with the place, where there is one, and the name of a setting.
    Problems(Vec<String>),
}

impl Refused {
    /// One line for each thing that is wrong.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Problems(problems) => problems.clone(),
            Self::Usage(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                vec![first.strip_prefix("error: ").unwrap_or(first).into()]
            }
        }
    }

    /// Tells the operator and ends the program: with 2, or 0 where help was asked for.
    pub fn exit(&self) -> ! {
        if let Self::Usage(error) = self {
            error.exit();
        }
        // That nobody reads it is no reason to fail otherwise.
        let _ = write!(std::io::stderr(), "{self}");
        std::process::exit(2)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Problems(problems) => {
                problems.iter().try_for_each(|problem| writeln!(f, "error: {problem}"))
            }
        }
    }
}

impl std::error::Error for Refused {}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}
