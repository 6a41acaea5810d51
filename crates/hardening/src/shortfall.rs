use std::fmt;
use std::io;

/// A protection that this crate asks the kernel for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `PR_SET_DUMPABLE` 0: no core dumps, no debugger of the same user, `/proc/self` owned by root.
    NotDumpable,
    /// `RLIMIT_CORE` 0: no core file, also for the programs this process starts.
    NoCoreFiles,
    /// `PR_SET_NO_NEW_PRIVS`: set-user-id programs started from here gain nothing.
    NoNewPrivileges,
    /// `memfd_secret`: pages that the kernel itself has no mapping for.
    SecretMemory,
    /// `mlock`: never written to swap.
    Locked,
    /// `MADV_DONTDUMP`: left out of core dumps.
    LeftOutOfDumps,
    /// `MADV_WIPEONFORK` or `MADV_DONTFORK`: a child process does not inherit the bytes.
    NotInherited,
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Measure::NotDumpable => "make the process undumpable",
            Measure::NoCoreFiles => "forbid core files",
            Measure::NoNewPrivileges => "forbid new privileges",
            Measure::SecretMemory => "take secret memory (memfd_secret)",
            Measure::Locked => "lock memory against swapping",
            Measure::LeftOutOfDumps => "leave memory out of core dumps",
            Measure::NotInherited => "keep memory from child processes",
        })
    }
}

/// A protection that the machine refused. The process works without it; whoever runs it should know.
#[derive(Debug)]
pub struct Shortfall {
    /// What was asked for.
    pub measure: Measure,
    /// What the kernel said.
    pub source: io::Error,
}

impl Shortfall {
    pub(crate) fn from_errno(measure: Measure) -> Shortfall {
        Shortfall {
            measure,
            source: io::Error::last_os_error(),
        }
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {}: {}", self.measure, self.source)
    }
}

impl std::error::Error for Shortfall {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
