//! The `tenant-operator` program.

use clap::Parser;
use std::process::ExitCode;
use tenant_operator::cli;

/// Returns memory to the system after bursts, which the operator's bound on memory depends on.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
