//! Random pods on a runtime that does what it is told while containers end as they like: decisions always get
//! somewhere, and never break the rules of order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::status::{Report, status};
use k8s_openapi::api::core::v1::PodStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What happens to the pod between two decisions.
#[derive(Debug, Clone)]
enum Chance {
    /// The n-th running container ends with a code.
    Exit(usize, i32),
    /// The sandbox dies, with everything in it.
    SandboxDies,
    /// The runtime forgets the n-th container that has ended, and what is older.
    Forget(usize),
    /// Someone deletes the pod.
    Delete,
    /// Nothing, for that many seconds.
    Time(i64),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        6 => (0_usize..4, prop_oneof![Just(0), Just(1), Just(137)]).prop_map(|(which, code)| Chance::Exit(which, code)),
        1 => Just(Chance::SandboxDies),
        1 => (0_usize..6).prop_map(Chance::Forget),
        1 => Just(Chance::Delete),
        4 => (0_i64..400).prop_map(Chance::Time),
    ]
}

fn spec() -> impl Strategy<Value = Value> {
    let init = proptest::collection::vec(any::<bool>(), 0..4);
    (init, 1_usize..3, prop_oneof![Just("Always"), Just("OnFailure"), Just("Never")]).prop_map(|(init, regular, policy)| {
        let init: Vec<Value> = init
            .iter()
            .enumerate()
            .map(|(index, sidecar)| {
                json!({"name": format!("i{index}"), "image": "x", "restartPolicy": sidecar.then_some("Always")})
            })
            .collect();
        let regular: Vec<Value> = (0..regular).map(|index| json!({"name": format!("c{index}"), "image": "x"})).collect();
        json!({"restartPolicy": policy, "initContainers": init, "containers": regular})
    })
}

struct World {
    scene: Scene,
    previous: PodStatus,
    life: Life,
}

impl World {
    fn finish(&mut self, id: &str, code: i32) {
        let now = self.scene.now;
        for record in &mut self.scene.observed.containers {
            if record.id == id && record.is_running() {
                record.state = State::Exited {
                    code,
                    reason: String::new(),
                    message: String::new(),
                    started_at: Some(now),
                    finished_at: now,
                };
            }
        }
    }

    fn start(&mut self, start: &StartContainer) {
        let scene = &mut self.scene;
        let sandbox = scene
            .observed
            .sandbox()
            .filter(|sandbox| sandbox.ready)
            .expect("a container starts in a sandbox");
        let mut started = record(
            &start.name,
            start.attempt,
            State::Running {
                started_at: scene.now,
            },
        );
        started.sandbox_id = sandbox.id.clone();
        started.created_at = scene.now;
        let running = scene
            .observed
            .containers
            .iter()
            .filter(|other| other.name == start.name && other.is_running());
        assert_eq!(running.count(), 0, "{} never runs twice", start.name);
        assert!(
            scene
                .observed
                .containers
                .iter()
                .all(|other| other.id != started.id),
            "attempts are counted"
        );
        if start.role == Role::Regular || start.role == Role::Init {
            for member in pod::init_members(&scene.pod) {
                let before_it = start.role == Role::Regular || member.index < start.index;
                if member.role == Role::Init && before_it {
                    let ran = scene.observed.latest(&member.container.name);
                    assert!(
                        ran.is_none_or(|ran| ran.exit_code() == Some(0)),
                        "init containers come first"
                    );
                }
            }
        }
        if start.attempt > 0 {
            scene.backoffs.next(&start.backoff_key, scene.now);
        }
        scene.observed.containers.push(started);
    }

    /// Decides and does, until there is nothing to do. Answers how often that took.
    fn settle(&mut self) -> usize {
        for round in 0..40 {
            let decision = self.scene.decide();
            self.life = decision.life;
            self.report(&decision);
            if decision.steps.is_empty() {
                let waits = self.life == Life::Wanted;
                let alive = self.scene.observed.any_running() || decision.wake_at.is_some();
                assert!(
                    !waits || alive,
                    "a wanted pod that does nothing runs or waits: {:?}",
                    self.scene.observed
                );
                return round;
            }
            for step in &decision.steps {
                match step {
                    Step::CreateSandbox { attempt } => {
                        let made = Sandbox {
                            created_at: self.scene.now,
                            ..sandbox(*attempt)
                        };
                        self.scene.observed.sandboxes.push(made);
                    }
                    Step::StartContainer(start) => self.start(start),
                    Step::StopContainer(stop) => self.finish(&stop.id, 137),
                    Step::StopPod(stop) => {
                        for stopped in stop.stages.iter().flatten() {
                            self.finish(&stopped.id, 137);
                        }
                        assert!(
                            !self.scene.observed.any_running(),
                            "stopping a pod stops all of it"
                        );
                        for sandbox in &mut self.scene.observed.sandboxes {
                            sandbox.ready &= !stop.sandbox_ids.contains(&sandbox.id);
                        }
                    }
                }
            }
        }
        panic!("decisions go on for ever: {:?}", self.scene.observed);
    }

    /// Reports a status and looks that nothing in it went back.
    fn report(&mut self, decision: &Decision) {
        let report = Report {
            pod: &self.scene.pod,
            previous: &self.previous,
            observed: &self.scene.observed,
            probes: &self.scene.probes,
            waiting: &decision.waiting,
            termination_messages: &BTreeMap::new(),
            life: decision.life,
            end: decision.end.as_ref(),
            node: &testing::node(),
            runtime: "containerd",
            now: self.scene.now,
        };
        let new = status(&report);
        let phase = new.phase.clone().expect("a phase");
        assert!(["Pending", "Running", "Succeeded", "Failed"].contains(&phase.as_str()));
        let final_phase = matches!(phase.as_str(), "Succeeded" | "Failed");
        if let Some(before @ ("Succeeded" | "Failed")) = self.previous.phase.as_deref() {
            assert_eq!(before, phase, "final phases are final");
        }
        assert!(
            !final_phase || !self.scene.observed.any_running(),
            "nothing runs in a pod that has ended"
        );
        assert!(
            decision.life != Life::Ended || final_phase,
            "a pod that has ended says so"
        );
        let all = |status: &PodStatus| {
            let (init, regular) = (
                status.init_container_statuses.clone(),
                status.container_statuses.clone(),
            );
            init.into_iter()
                .flatten()
                .chain(regular.into_iter().flatten())
                .collect::<Vec<_>>()
        };
        for (before, after) in all(&self.previous).iter().zip(all(&new)) {
            assert_eq!(before.name, after.name);
            assert!(before.restart_count <= after.restart_count, "restart counts grow");
            let state = after.state.as_ref().expect("a state");
            let kinds = [
                state.running.is_some(),
                state.waiting.is_some(),
                state.terminated.is_some(),
            ];
            assert_eq!(
                kinds.iter().filter(|there| **there).count(),
                1,
                "one state at a time"
            );
        }
        self.scene.pod.status = Some(new.clone());
        self.previous = new;
    }

    fn happen(&mut self, chance: &Chance) {
        let scene = &mut self.scene;
        match chance {
            Chance::Exit(which, code) => {
                let running: Vec<String> = scene
                    .observed
                    .containers
                    .iter()
                    .filter(|c| c.is_running())
                    .map(|c| c.id.clone())
                    .collect();
                if let Some(id) = running.get(which % running.len().max(1)) {
                    self.finish(id, *code);
                }
            }
            Chance::SandboxDies => {
                for sandbox in &mut scene.observed.sandboxes {
                    sandbox.ready = false;
                }
                let ids: Vec<String> = scene.observed.containers.iter().map(|c| c.id.clone()).collect();
                for id in ids {
                    self.finish(&id, 137);
                }
            }
            Chance::Forget(which) => {
                let ended = scene
                    .observed
                    .containers
                    .iter()
                    .filter(|c| !c.is_running())
                    .nth(*which)
                    .cloned();
                if let Some(ended) = ended {
                    let keeps = |c: &ContainerRecord| c.name != ended.name || c.attempt > ended.attempt;
                    scene.observed.containers.retain(keeps);
                }
            }
            Chance::Delete => {
                scene
                    .pod
                    .metadata
                    .deletion_timestamp
                    .get_or_insert(Time(scene.now));
            }
            Chance::Time(seconds) => scene.now += SignedDuration::from_secs(*seconds),
        }
    }
}

proptest! {
    #[test]
    fn decisions_make_progress(spec in spec(), chances in proptest::collection::vec(chance(), 0..30)) {
        let scene = Scene::new(spec).without_sandbox();
        let mut world = World { scene, previous: PodStatus::default(), life: Life::Wanted };
        world.settle();
        for chance in &chances {
            let ended = world.life == Life::Ended;
            world.happen(chance);
            let steps = world.settle();
            prop_assert!(!ended || steps == 0 && world.life == Life::Ended, "what has ended stays so");
        }
        world.happen(&Chance::Delete);
        world.settle();
        prop_assert_eq!(world.life, Life::Ended);
    }

    /// Every combination of states has a phase, and asking twice gives the same.
    #[test]
    fn phases_are_total(spec in spec(), states in proptest::collection::vec(0_u8..6, 8), life in 0_u8..3) {
        let mut scene = Scene::new(spec);
        let names: Vec<String> = pod::members(&scene.pod).map(|member| member.container.name.clone()).collect();
        for (name, state) in names.iter().zip(&states) {
            let state = match state {
                0 => State::Created,
                1 => running(),
                2 => exited(0, 5),
                3 => exited(1, 5),
                4 => State::Unknown,
                _ => continue,
            };
            scene.observed.containers.push(record(name, 0, state));
        }
        let (waiting, messages, node, previous) = (BTreeMap::new(), BTreeMap::new(), testing::node(), PodStatus::default());
        let mut report = Report {
            pod: &scene.pod,
            previous: &previous,
            observed: &scene.observed,
            probes: &scene.probes,
            waiting: &waiting,
            termination_messages: &messages,
            life: [Life::Wanted, Life::Ending, Life::Ended][usize::from(life)],
            end: None,
            node: &node,
            runtime: "containerd",
            now: at(7),
        };
        let first = status(&report);
        prop_assert!(first.phase.is_some());
        report.previous = &first;
        report.now = at(8);
        let second = status(&report);
        prop_assert_eq!(&first, &second);
    }
}
