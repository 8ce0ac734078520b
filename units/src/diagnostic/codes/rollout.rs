//! Placement, rollout and health of `[X-Fleet]`.

use super::{codes, warning};

codes! {
    CANARY_TOO_LARGE = warning(
        "canary-too-large",
        "`Canary=` is not smaller than the number of instances: everything would be a canary.",
        "Make `Canary=` smaller than `Instances=`, or take `Strategy=canary` away.",
    );
    SINGLETON_MANY = warning(
        "singleton-many",
        "`Singleton=yes`, and more than one instance, or a `Strategy=` that runs old and new at once (`canary`, \
         `blue-green`).",
        "Write `Instances=1` and leave `Strategy=` away, or take `Singleton=` away.",
    );
    HEALTH_TIMES = warning(
        "health-times",
        "Times of health checks and rollouts that cannot all be meant: `MinHealthySec=` longer than `HealthDeadlineSec=`, \
         `HealthCheckTimeout=` longer than `HealthCheckInterval=`, or `HealthCheckStartPeriod=` as long as \
         `HealthDeadlineSec=`.",
        "Make the deadline the longest of them, and a check shorter than the time between two.",
    );
    GPUS_HIDDEN = warning(
        "gpus-hidden",
        "`Gpus=` with `PrivateDevices=yes`, under which the unit sees no device of the host.",
        "Take `PrivateDevices=` away; `DeviceAllow=` says which devices a unit may open.",
    );
}
