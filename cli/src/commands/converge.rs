//! `--wait[=5m]`: follow an environment until it has converged on a revision.

use crate::args::App;
use crate::client::Client;
use crate::error::{CommandError, CommandResult, ErrorKind, Exit};
use crate::output::time::parse_duration;
use crate::output::view::short;
use fleet_proto::v1;
use std::time::{Duration, Instant};

/// Between two looks. A look is one call on an open connection and costs the coordinator microseconds.
const LOOK: Duration = Duration::from_millis(200);

/// `--wait`
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Wait {
    /// Return when the environment has converged; 5 minutes without a TIME
    #[arg(long = "wait", env = "FLEET_WAIT", value_name = "TIME", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "5m", value_parser = parse_duration, hide_env = true)]
    time: Option<Duration>,
}

/// What one look at an environment says.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Converged,
    /// Not yet, in a word for people.
    Waiting(String),
    /// It never will.
    Over(String),
}

/// Waits as `wait` says until `environment` has converged on `revision`.
pub(crate) async fn wait(
    client: &mut Client,
    environment: &str,
    revision: &str,
    wait: &Wait,
    app: &App,
) -> CommandResult {
    let Some(time) = wait.time else { return Ok(Exit::Done) };
    let deadline = Instant::now() + time;
    let mut told = String::new();
    loop {
        let request = v1::StatusRequest { environment: environment.to_owned() };
        let status = client.call(async |rpc| rpc.status(request).await).await?;
        let view = status.environments.into_iter().find(|view| view.name == environment);
        let state = match view.map(|view| look(&view, revision)) {
            Some(Look::Converged) => {
                app.output.say(&format!("{environment} has converged"));
                return Ok(Exit::Done);
            }
            Some(Look::Over(why)) => {
                let error = CommandError::failed(format!("{environment} did not converge: {why}"));
                return Err(error.hint(format!("fleet status -e {environment}")));
            }
            Some(Look::Waiting(state)) => state,
            None => "not listed".to_owned(),
        };
        if state != told {
            app.output.say(&format!("{environment}: {state}"));
            told = state;
        }
        if Instant::now() >= deadline {
            let error =
                CommandError::new(ErrorKind::NotConverged, format!("{environment} has not converged in time: {told}"));
            return Err(error.hint(format!("fleet status -e {environment}")));
        }
        tokio::time::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

fn look(view: &v1::EnvironmentView, revision: &str) -> Look {
    let reasons = view.reasons.iter().map(|reason| format!(": {reason}")).next().unwrap_or_default();
    let accepted = revision.is_empty() || view.desired_revision == revision;
    match view.state.as_str() {
        "converged" if accepted => Look::Converged,
        "failed" if accepted => Look::Over(format!("the rollout of {} failed{reasons}", short(revision))),
        state if accepted => Look::Waiting(format!("{state}{reasons}")),
        state => Look::Waiting(format!("{state}, at {}", short(&view.desired_revision))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: &str, desired: &str) -> v1::EnvironmentView {
        v1::EnvironmentView { state: state.into(), desired_revision: desired.into(), ..Default::default() }
    }

    #[test]
    fn only_the_wanted_revision_counts_as_converged() {
        assert_eq!(look(&view("converged", "bbb"), "bbb"), Look::Converged);
        assert_eq!(look(&view("converged", "aaa"), "bbb"), Look::Waiting("converged, at aaa".into()));
        assert!(matches!(look(&view("failed", "bbb"), "bbb"), Look::Over(_)));
        assert!(matches!(look(&view("degraded", "bbb"), "bbb"), Look::Waiting(_)));
    }
}
