//! `strongroom completion`.

use clap::Args;
use clap_complete::Shell;

use crate::command_line;
use crate::output;

/// Print a script that completes `strongroom` commands in a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    source <(strongroom completion bash)\n  \
    strongroom completion fish > ~/.config/fish/completions/strongroom.fish")]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    /// Prints the script.
    pub fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut command_line::command(),
            "strongroom",
            &mut script,
        );
        output::print(&String::from_utf8_lossy(&script))
    }
}
