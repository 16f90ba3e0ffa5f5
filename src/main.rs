//! The `tenant-operator` program.

use clap::Parser;
use std::process::ExitCode;
use tenant_operator::cli;

/// Returns memory to the system after bursts, which the operator's bound on memory depends on.
#[cfg(feature = "jemalloc")]
mod allocator {
    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    /// Few arenas on any number of cores; the allocator gives free memory back within a second, also in an idle process.
    #[unsafe(export_name = "_rjem_malloc_conf")]
    pub static SETTINGS: &[u8] = b"narenas:2,dirty_decay_ms:500,muzzy_decay_ms:0,background_thread:true\0";
}

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenant-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
