//! Which file of a pod lies where. The layout is that of kubelets, so that tools which look there find it.

use std::path::{Path, PathBuf};

/// The directory of pods.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    root: PathBuf,
    logs: PathBuf,
}

/// The files of one pod.
#[derive(Debug, Clone)]
pub(crate) struct PodPlaces {
    directory: PathBuf,
}

impl Places {
    pub fn new(root: &Path, logs: &Path) -> Places {
        Places {
            root: root.to_owned(),
            logs: logs.to_owned(),
        }
    }

    /// The directory that has one directory for each pod.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// The files of the pod with this uid.
    pub fn pod(&self, uid: &str) -> PodPlaces {
        PodPlaces {
            directory: self.pods().join(uid),
        }
    }

    /// The directory that has one directory of logs for each pod.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The logs of one pod.
    pub fn pod_logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.logs.join(format!("{namespace}_{name}_{uid}"))
    }
}

impl PodPlaces {
    /// All of the pod's files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All volumes, one directory for each kind.
    pub fn volumes(&self) -> PathBuf {
        self.directory.join("volumes")
    }

    /// One volume. `plugin` is such as `kubernetes.io~secret`.
    pub fn volume(&self, plugin: &str, name: &str) -> PathBuf {
        self.volumes().join(plugin).join(name)
    }

    /// What is bound for the subPath mounts of all volumes.
    pub fn sub_paths(&self) -> PathBuf {
        self.directory.join("volume-subpaths")
    }

    /// What is bound for one subPath mount.
    pub fn sub_path(&self, volume: &str, container: &str, index: usize) -> PathBuf {
        self.sub_paths()
            .join(volume)
            .join(container)
            .join(index.to_string())
    }

    /// The pod's `/etc/hosts`.
    pub fn hosts(&self) -> PathBuf {
        self.directory.join("etc-hosts")
    }

    /// The termination message of one attempt of a container.
    pub fn termination_log(&self, container: &str, attempt: u32) -> PathBuf {
        self.directory
            .join("containers")
            .join(container)
            .join(attempt.to_string())
    }
}
