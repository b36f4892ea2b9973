//! `foci report`: the words of an analysed study, written anew, changed, signed or printed.

mod amend;
mod chain;
mod diff;
mod edit;
mod history;
mod pdf;
mod show;
mod sign;
mod trail;
mod write;

use anyhow::Result;

/// Write, change, sign or print the words of an analysed study
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Report {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    write: write::Write,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Amend(amend::Amend),
    Sign(sign::Sign),
    History(history::History),
    Show(show::Show),
    Pdf(pdf::Pdf),
}

impl Report {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Some(Command::Amend(command)) => command.run(),
            Some(Command::Sign(command)) => command.run(),
            Some(Command::History(command)) => command.run(),
            Some(Command::Show(command)) => command.run(),
            Some(Command::Pdf(command)) => command.run(),
            None => self.write.run(),
        }
    }
}
