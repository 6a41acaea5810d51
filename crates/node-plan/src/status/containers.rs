//! The statuses of a pod's containers (pods-and-kubelet §5.1, §5.5).

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
};
use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, VolumeMountStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Report, whole_second};
use crate::actions::Life;
use crate::observed::{ContainerRecord, State};
use crate::pod::{self, Member, Role};
use crate::{probes, waiting};

/// The statuses in the order of the spec.
pub(super) struct Statuses {
    pub(super) init: Vec<ContainerStatus>,
    pub(super) regular: Vec<ContainerStatus>,
}

impl Statuses {
    /// The status of a container.
    pub(super) fn of(&self, member: &Member<'_>) -> &ContainerStatus {
        let list = if member.role.is_init() {
            &self.init
        } else {
            &self.regular
        };
        &list[member.index]
    }
}

pub(super) fn statuses(report: &Report<'_>) -> Statuses {
    let init: Vec<ContainerStatus> = pod::init_members(report.pod)
        .map(|member| one(report, &member))
        .collect();
    let mut regular: Vec<ContainerStatus> = pod::regular_members(report.pod)
        .map(|member| one(report, &member))
        .collect();
    let initialized = pod::init_members(report.pod)
        .zip(&init)
        .all(|(member, status)| match member.role {
            Role::Init => terminated(status).is_some_and(|ended| ended.exit_code == 0),
            _ => !never_ran(status),
        });
    if report.life == Life::Ended && (initialized || !regular.iter().all(never_ran)) {
        for (member, status) in pod::regular_members(report.pod).zip(&mut regular) {
            end(status, previous(report, &member));
        }
    }
    Statuses { init, regular }
}

fn never_ran(status: &ContainerStatus) -> bool {
    is_waiting(status) && terminated_before(status).is_none()
}

fn one(report: &Report<'_>, member: &Member<'_>) -> ContainerStatus {
    let previous = previous(report, member);
    let attempts = report.observed.attempts(&member.container.name);
    let mut status = match attempts.first() {
        Some(newest) => of_runtime(report, member, newest, attempts.get(1).copied(), previous),
        None => unseen(report, member, previous),
    };
    hold_back(report, member, attempts.first().copied(), &mut status);
    if report.life == Life::Ended && member.role.is_init() && !never_ran(&status) {
        end(&mut status, previous);
    }
    let record = attempts.first().filter(|record| record.is_running());
    let verdicts = record.map(|record| report.probes.of(&record.id));
    let running = is_running(&status);
    status.started =
        Some(running && verdicts.is_some_and(|verdicts| probes::started(member.container, verdicts)));
    status.ready = match member.role {
        Role::Init => terminated(&status).is_some_and(|ended| ended.exit_code == 0),
        Role::Sidecar | Role::Regular => {
            running && verdicts.is_some_and(|verdicts| probes::ready(member.container, verdicts))
        }
    };
    status.volume_mounts = mounts(member.container);
    status.resources = member.container.resources.clone();
    status
}

fn previous<'a>(report: &Report<'a>, member: &Member<'_>) -> Option<&'a ContainerStatus> {
    let list = if member.role.is_init() {
        &report.previous.init_container_statuses
    } else {
        &report.previous.container_statuses
    };
    list.iter()
        .flatten()
        .find(|status| status.name == member.container.name)
}

/// A container that the runtime knows.
fn of_runtime(
    report: &Report<'_>,
    member: &Member<'_>,
    newest: &ContainerRecord,
    older: Option<&ContainerRecord>,
    previous: Option<&ContainerStatus>,
) -> ContainerStatus {
    let id = format!("{}://{}", report.runtime, newest.id);
    let state = match &newest.state {
        State::Created => waiting_state(default_reason(report)),
        State::Running { started_at } => ContainerState {
            running: Some(ContainerStateRunning {
                started_at: Some(Time(whole_second(*started_at))),
            }),
            ..ContainerState::default()
        },
        State::Exited { .. } => ended_state(report, newest),
        State::Unknown => unknown_state(report, previous),
    };
    let image = if newest.image.is_empty() {
        member.container.image.clone().unwrap_or_default()
    } else {
        newest.image.clone()
    };
    let attempt = i32::try_from(newest.attempt).unwrap_or(i32::MAX);
    let last_state = match older {
        Some(older) if matches!(older.state, State::Exited { .. }) => Some(ended_state(report, older)),
        _ => last_state(previous, &id),
    };
    ContainerStatus {
        name: member.container.name.clone(),
        state: Some(state),
        last_state: Some(last_state.unwrap_or_default()),
        restart_count: previous.map_or(0, |previous| previous.restart_count).max(attempt),
        image,
        image_id: newest.image_id.clone(),
        container_id: Some(id),
        ..ContainerStatus::default()
    }
}

/// How the attempt before this one ended, from what was reported: the runtime no longer has it.
fn last_state(previous: Option<&ContainerStatus>, id: &str) -> Option<ContainerState> {
    let previous = previous?;
    if previous.container_id.as_deref() == Some(id) {
        return previous.last_state.clone();
    }
    let ended = previous.state.as_ref().filter(|state| state.terminated.is_some());
    ended.or(previous.last_state.as_ref()).cloned()
}

/// A container that the runtime does not know: not made yet, or lost.
fn unseen(report: &Report<'_>, member: &Member<'_>, previous: Option<&ContainerStatus>) -> ContainerStatus {
    let mut status = ContainerStatus {
        name: member.container.name.clone(),
        image: member.container.image.clone().unwrap_or_default(),
        state: Some(waiting_state(default_reason(report))),
        last_state: Some(ContainerState::default()),
        ..ContainerStatus::default()
    };
    let Some(previous) = previous else { return status };
    status.restart_count = previous.restart_count;
    status.last_state = previous.last_state.clone().or(status.last_state);
    status.container_id = previous.container_id.clone();
    status.image_id = previous.image_id.clone();
    let Some(state) = &previous.state else {
        return status;
    };
    if state.terminated.is_some() {
        status.state = Some(state.clone());
        return status;
    }
    if state.running.is_some() {
        let lost = lost(
            previous,
            "The container could not be located when the pod was deleted.  The container used to be Running",
        );
        let runs_again =
            report.life == Life::Wanted && pod::restarts_after(report.pod, member, lost.exit_code);
        let lost = ContainerState {
            terminated: Some(lost),
            ..ContainerState::default()
        };
        if runs_again {
            status.last_state = Some(lost);
        } else {
            status.state = Some(lost);
        }
    }
    status
}

/// A container that is not running and was held back says why.
fn hold_back(
    report: &Report<'_>,
    member: &Member<'_>,
    newest: Option<&ContainerRecord>,
    status: &mut ContainerStatus,
) {
    if report.life != Life::Wanted {
        return;
    }
    let Some(reason) = report.waiting.get(&member.container.name) else {
        return;
    };
    let restarts = match newest.map(|record| &record.state) {
        None | Some(State::Created | State::Unknown) => true,
        Some(State::Running { .. }) => false,
        Some(State::Exited { code, .. }) => pod::restarts_after(report.pod, member, *code),
    };
    if !restarts {
        return;
    }
    if let Some(state) = status.state.take().filter(|state| state.terminated.is_some()) {
        status.last_state = Some(state);
    }
    status.state = Some(ContainerState {
        waiting: Some(reason.to_state()),
        ..ContainerState::default()
    });
}

/// Nothing of the pod runs or will run: what still seems to was lost, what waited never ran.
fn end(status: &mut ContainerStatus, previous: Option<&ContainerStatus>) {
    let state = status.state.get_or_insert_with(ContainerState::default);
    if state.terminated.is_some() {
        return;
    }
    let last = status.last_state.as_mut().and_then(|last| last.terminated.take());
    let ended = last.unwrap_or_else(|| lost(previous.unwrap_or(status), LOST));
    status.state = Some(ContainerState {
        terminated: Some(ended),
        ..ContainerState::default()
    });
}

/// Nobody saw how it ended.
const LOST: &str = "The container could not be located when the pod was terminated";

fn lost(previous: &ContainerStatus, message: &str) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some(message.to_owned()),
        container_id: previous.container_id.clone(),
        ..ContainerStateTerminated::default()
    }
}

/// The runtime does not know: what was reported, but not running any more.
fn unknown_state(report: &Report<'_>, previous: Option<&ContainerStatus>) -> ContainerState {
    let state = previous
        .and_then(|previous| previous.state.clone())
        .unwrap_or_default();
    if state.terminated.is_some() {
        return state;
    }
    match previous.filter(|_| state.running.is_some()) {
        Some(previous) => ContainerState {
            terminated: Some(lost(previous, LOST)),
            ..ContainerState::default()
        },
        None => waiting_state(default_reason(report)),
    }
}

fn ended_state(report: &Report<'_>, record: &ContainerRecord) -> ContainerState {
    let State::Exited {
        code,
        reason,
        message,
        started_at,
        finished_at,
    } = &record.state
    else {
        return ContainerState::default();
    };
    let usual = if *code == 0 { "Completed" } else { "Error" };
    let left = report
        .termination_messages
        .get(&record.id)
        .filter(|left| !left.is_empty());
    let message = left
        .or(Some(message).filter(|message| !message.is_empty()))
        .cloned();
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: *code,
            reason: Some(if reason.is_empty() {
                usual.to_owned()
            } else {
                reason.clone()
            }),
            message,
            started_at: started_at.map(|time| Time(whole_second(time))),
            finished_at: Some(Time(whole_second(*finished_at))),
            container_id: Some(format!("{}://{}", report.runtime, record.id)),
            signal: None,
        }),
        ..ContainerState::default()
    }
}

fn waiting_state(reason: &str) -> ContainerState {
    let waiting = ContainerStateWaiting {
        reason: Some(reason.to_owned()),
        message: None,
    };
    ContainerState {
        waiting: Some(waiting),
        ..ContainerState::default()
    }
}

/// What a container waits for when nothing is wrong: the init containers, if the pod has any (§5).
fn default_reason(report: &Report<'_>) -> &'static str {
    if pod::init_members(report.pod).len() > 0 {
        waiting::POD_INITIALIZING
    } else {
        waiting::CONTAINER_CREATING
    }
}

fn mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let written = container.volume_mounts.as_deref().unwrap_or_default();
    let mounts: Vec<VolumeMountStatus> = written
        .iter()
        .map(|mount| {
            let read_only = mount.read_only == Some(true);
            VolumeMountStatus {
                name: mount.name.clone(),
                mount_path: mount.mount_path.clone(),
                read_only: read_only.then_some(true),
                recursive_read_only: read_only.then(|| "Disabled".to_owned()),
                volume_status: None,
            }
        })
        .collect();
    Some(mounts).filter(|mounts| !mounts.is_empty())
}

pub(super) fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

pub(super) fn is_waiting(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.waiting.is_some())
}

pub(super) fn terminated(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.state.as_ref()?.terminated.as_ref()
}

/// How the attempt before ended.
pub(super) fn terminated_before(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    status.last_state.as_ref()?.terminated.as_ref()
}
