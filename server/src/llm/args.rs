//! A language model on the command line.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{Kind, Settings};
use crate::words::Writer;

/// Where the language model is, on the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Let a language model write: the root of a chat service of the OpenAI kind, often ending in /v1
    ///
    /// It is told findings and measurements and nothing else; what it writes is used sentence by sentence, where
    /// it is true. Without it a template writes.
    #[arg(long, value_name = "URL", requires = "llm_model")]
    llm_url: Option<String>,

    /// The model's name, as that server knows it
    #[arg(long, value_name = "NAME", requires = "llm_url")]
    llm_model: Option<String>,

    /// What kind of server it is
    #[arg(long, value_enum, value_name = "KIND", default_value_t, requires = "llm_url")]
    llm_kind: Kind,

    /// A file with the key to bring
    #[arg(long, value_name = "FILE", requires = "llm_url")]
    llm_key_file: Option<PathBuf>,

    /// Those who signed the server's certificate, PEM, where the usual ones did not
    #[arg(long, value_name = "FILE", requires = "llm_url")]
    llm_trusted: Option<PathBuf>,

    /// Let the URL be on another machine and without TLS
    #[arg(long, requires = "llm_url")]
    llm_allow_plain: bool,

    /// Let a model from a file write, run by llama.cpp's server on this machine (llama-server, or what
    /// FOCI_LLAMA_SERVER names)
    #[arg(long, value_name = "FILE", conflicts_with = "llm_url")]
    gguf: Option<PathBuf>,

    /// Let the model think before it writes; DeepSeek-R1 always does
    #[arg(long, requires = "llm_url")]
    llm_thinking: bool,
}

impl Arguments {
    /// What was asked for; `None`: no model.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the address, the key, the certificates or the file.
    pub(crate) fn writer(&self) -> Result<Option<Writer>> {
        if let Some(file) = &self.gguf {
            return Ok(Some(Writer::from_file(file)?));
        }
        self.settings()?.map(|settings| Writer::new(&settings)).transpose()
    }

    fn settings(&self) -> Result<Option<Settings>> {
        let (Some(url), Some(model)) = (&self.llm_url, &self.llm_model) else { return Ok(None) };
        let faults = crate::config::url_faults("--llm-url", url, self.llm_allow_plain, "--llm-allow-plain");
        if let Some(fault) = faults.first() {
            bail!("{fault}");
        }
        Ok(Some(Settings {
            url: url.clone(),
            model: model.clone(),
            kind: self.llm_kind,
            key_file: self.llm_key_file.clone(),
            trusted: self.llm_trusted.clone(),
            allow_plain: self.llm_allow_plain,
            thinking: self.llm_thinking,
            ..Settings::default()
        }))
    }
}
