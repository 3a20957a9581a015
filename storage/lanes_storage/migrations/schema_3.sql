CREATE TABLE turns (
    id INTEGER NOT NULL,
    lane_id INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    "before" INTEGER,
    message_id INTEGER,
    text VARCHAR NOT NULL,
    reply VARCHAR,
    answer VARCHAR,
    state VARCHAR NOT NULL,
    tokens INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT turn_state CHECK ((state = 'aborted' OR state = 'done' OR state = 'failed' OR state = 'retried'))
);
CREATE TABLE event_blocks (
    lane_id INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (lane_id, block)
)
 WITHOUT ROWID;
CREATE TABLE incidents (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    alert VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    facts VARCHAR NOT NULL,
    began_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    begin_sent_at INTEGER,
    end_sent_at INTEGER,
    tries INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    claimed_by INTEGER,
    claimed_until INTEGER,
    CONSTRAINT incident_claim_whole CHECK (((claimed_by IS NULL) = (claimed_until IS NULL)))
);
CREATE TABLE owners (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind VARCHAR NOT NULL,
    host VARCHAR NOT NULL,
    boot_id VARCHAR NOT NULL,
    pid_ns VARCHAR NOT NULL,
    pid INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    fingerprint VARCHAR NOT NULL,
    heartbeat_interval_ms INTEGER NOT NULL,
    stale_after_ms INTEGER NOT NULL,
    runners VARCHAR NOT NULL,
    url VARCHAR,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    heartbeat_boot INTEGER NOT NULL,
    slept_ms INTEGER,
    heartbeats INTEGER NOT NULL,
    drain_by VARCHAR,
    drain_at INTEGER,
    drain_until INTEGER,
    ended_at INTEGER,
    ended_cause VARCHAR,
    CONSTRAINT owner_intervals_fit CHECK (stale_after_ms >= 3 * heartbeat_interval_ms),
    CONSTRAINT owner_drain_whole CHECK (((drain_by IS NULL) = (drain_at IS NULL)) AND ((drain_by IS NULL) = (drain_until IS NULL))),
    CONSTRAINT owner_end_whole CHECK (((ended_at IS NULL) = (ended_cause IS NULL)))
);
CREATE TABLE lanes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "key" TEXT NOT NULL,
    state VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    run_id INTEGER,
    head_id INTEGER,
    anonymous BOOLEAN NOT NULL,
    parent_id INTEGER,
    conversation INTEGER NOT NULL,
    agent_session VARCHAR,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost_micros INTEGER,
    last_turn INTEGER,
    told_from INTEGER,
    error_cause VARCHAR,
    error_message VARCHAR,
    error_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT lane_key_length CHECK (length(key) BETWEEN 1 AND 512),
    CONSTRAINT lane_state CHECK ((state = 'aborted' OR state = 'errored' OR state = 'idle' OR state = 'running')),
    CONSTRAINT lane_held_by_one_run CHECK ((state = 'running') = (run_id IS NOT NULL)),
    CONSTRAINT lane_held_under_an_epoch CHECK (run_id IS NULL OR epoch > 0),
    CONSTRAINT lane_is_not_its_parent CHECK (parent_id IS NULL OR parent_id <> id),
    CONSTRAINT lane_error_whole CHECK (((error_cause IS NULL) = (error_message IS NULL)) AND ((error_cause IS NULL) = (error_at IS NULL))),
    UNIQUE ("key"),
    FOREIGN KEY(run_id) REFERENCES runs (id) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY(head_id) REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY(parent_id) REFERENCES lanes (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE repeats (
    lane_id INTEGER NOT NULL,
    digest VARCHAR,
    cause VARCHAR,
    times INTEGER NOT NULL,
    until INTEGER,
    resumed_at INTEGER,
    PRIMARY KEY (lane_id)
);
CREATE TABLE spent (
    budget VARCHAR NOT NULL,
    bucket INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    cost_micros INTEGER NOT NULL,
    PRIMARY KEY (budget, bucket)
)
 WITHOUT ROWID;
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    lane_id INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    text VARCHAR,
    request VARCHAR,
    acts BOOLEAN,
    runner VARCHAR,
    fresh BOOLEAN,
    actor VARCHAR NOT NULL,
    sender VARCHAR,
    source VARCHAR,
    for_run INTEGER,
    anonymous BOOLEAN NOT NULL,
    moved_to INTEGER,
    rank INTEGER GENERATED ALWAYS AS (coalesce(moved_to, id)),
    expires_at INTEGER,
    bound_to VARCHAR,
    bound_owner INTEGER,
    batch INTEGER,
    run_id INTEGER,
    reply VARCHAR,
    reply_detail VARCHAR,
    error_cause VARCHAR,
    error_message VARCHAR,
    attempts VARCHAR,
    interruptions INTEGER NOT NULL,
    depth INTEGER,
    retries INTEGER,
    parked_until INTEGER,
    parked_since INTEGER,
    parked_for VARCHAR,
    retry_of INTEGER,
    retried_as INTEGER,
    answered_by INTEGER,
    accepted_at INTEGER NOT NULL,
    wait_warned_at INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    CONSTRAINT message_state CHECK ((state = 'aborted' OR state = 'done' OR state = 'dropped' OR state = 'failed' OR state = 'queued' OR state = 'running')),
    CONSTRAINT message_has_one_input CHECK (((text IS NULL) <> (request IS NULL)) OR (text IS NULL AND request IS NULL AND coalesce(bound_to, '') = 'waiter')),
    CONSTRAINT message_ends_once CHECK ((state = 'aborted' OR state = 'done' OR state = 'dropped' OR state = 'failed') = (ended_at IS NOT NULL)),
    CONSTRAINT message_runs_in_a_run CHECK (state <> 'running' OR run_id IS NOT NULL),
    CONSTRAINT message_reply_only_when_done CHECK (reply IS NULL OR state = 'done'),
    CONSTRAINT message_failure_has_a_cause CHECK (state <> 'failed' OR error_cause IS NOT NULL),
    CONSTRAINT message_bound_to CHECK (bound_to IS NULL OR (bound_to = 'client' OR bound_to = 'waiter')),
    CONSTRAINT message_bound_whole CHECK (((bound_to IS NULL) = (bound_owner IS NULL))),
    CONSTRAINT message_parked_since CHECK (parked_until IS NULL OR parked_since IS NOT NULL),
    CONSTRAINT message_interruptions CHECK (interruptions >= 0),
    CONSTRAINT message_for_a_run_waits CHECK (for_run IS NULL OR state = 'queued'),
    FOREIGN KEY(lane_id) REFERENCES lanes (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE providers (
    provider VARCHAR NOT NULL,
    cause VARCHAR,
    since INTEGER,
    until INTEGER,
    tries INTEGER NOT NULL,
    message VARCHAR,
    fingerprint VARCHAR,
    answered_at INTEGER,
    tried_last_until INTEGER,
    refused INTEGER,
    refused_at INTEGER,
    refusals INTEGER NOT NULL,
    counts VARCHAR,
    doubted VARCHAR,
    held INTEGER,
    hold_ms INTEGER NOT NULL,
    begun INTEGER NOT NULL,
    PRIMARY KEY (provider),
    CONSTRAINT provider_cooldown_whole CHECK (((cause IS NULL) = (since IS NULL)) AND ((cause IS NULL) = (until IS NULL)))
);
CREATE TABLE runs (
    id INTEGER NOT NULL,
    lane_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    owner_id INTEGER NOT NULL,
    runner VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    run_timeout_ms INTEGER,
    stall_timeout_ms INTEGER,
    abort_grace_ms INTEGER NOT NULL,
    reconcile_interval_ms INTEGER NOT NULL,
    warn_held_after_ms INTEGER NOT NULL,
    max_park_ms INTEGER NOT NULL,
    on_interrupt VARCHAR NOT NULL,
    on_survivors VARCHAR NOT NULL,
    claimed_at INTEGER NOT NULL,
    claimed_boot INTEGER NOT NULL,
    claimed_slept_ms INTEGER,
    boot_id VARCHAR NOT NULL,
    progress VARCHAR NOT NULL,
    progress_at INTEGER NOT NULL,
    progress_boot INTEGER NOT NULL,
    progress_slept_ms INTEGER,
    busy_until_boot INTEGER,
    attempt VARCHAR,
    provider VARCHAR,
    asked_boot INTEGER,
    question VARCHAR,
    input_ms INTEGER NOT NULL,
    reply_so_far VARCHAR,
    left_out INTEGER NOT NULL,
    body_ended_at INTEGER,
    recovering BOOLEAN NOT NULL,
    process_host VARCHAR,
    process_boot_id VARCHAR,
    process_pid INTEGER,
    process_start_time INTEGER,
    process_group INTEGER,
    survivors VARCHAR,
    usage VARCHAR,
    abort_at INTEGER,
    abort_boot INTEGER,
    abort_boot_id VARCHAR,
    abort_slept_ms INTEGER,
    abort_grace_asked_ms INTEGER,
    abort_actor VARCHAR,
    abort_reason VARCHAR,
    abort_cause VARCHAR,
    edge VARCHAR,
    cause VARCHAR,
    forced BOOLEAN NOT NULL,
    ended_at INTEGER,
    ended_by VARCHAR,
    refused_writes INTEGER NOT NULL,
    late_reply VARCHAR,
    PRIMARY KEY (id),
    CONSTRAINT run_kind CHECK ((kind = 'acp' OR kind = 'command' OR kind = 'provider' OR kind = 'python')),
    CONSTRAINT run_edge CHECK (edge IS NULL OR (edge = 'abort' OR edge = 'complete' OR edge = 'expire' OR edge = 'fail' OR edge = 'park' OR edge = 'reclaim')),
    CONSTRAINT run_end_whole CHECK (((edge IS NULL) = (ended_at IS NULL)) AND ((edge IS NULL) = (ended_by IS NULL))),
    CONSTRAINT run_abort_whole CHECK (((abort_at IS NULL) = (abort_boot IS NULL)) AND ((abort_at IS NULL) = (abort_boot_id IS NULL)) AND ((abort_at IS NULL) = (abort_actor IS NULL)) AND ((abort_at IS NULL) = (abort_cause IS NULL))),
    CONSTRAINT run_abort_is_sticky CHECK (edge IS NULL OR abort_at IS NULL OR edge = 'abort'),
    CONSTRAINT run_on_interrupt CHECK ((on_interrupt = 'fail' OR on_interrupt = 'pause' OR on_interrupt = 'requeue')),
    CONSTRAINT run_on_survivors CHECK ((on_survivors = 'pause' OR on_survivors = 'start')),
    CONSTRAINT run_limits_fit CHECK (run_timeout_ms IS NULL OR stall_timeout_ms IS NULL OR stall_timeout_ms <= run_timeout_ms),
    CONSTRAINT run_process_whole CHECK (((process_host IS NULL) = (process_boot_id IS NULL)) AND ((process_host IS NULL) = (process_pid IS NULL)) AND ((process_host IS NULL) = (process_group IS NULL))),
    CONSTRAINT run_question_is_open CHECK (question IS NULL OR (ended_at IS NULL AND json_valid(question))),
    CONSTRAINT run_process_start CHECK (process_start_time IS NULL OR process_pid IS NOT NULL)
);
CREATE TABLE waits (
    run_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    host VARCHAR NOT NULL,
    pid_ns VARCHAR NOT NULL,
    pid INTEGER NOT NULL,
    boot_id VARCHAR NOT NULL,
    start_time INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (run_id, message_id, host, pid_ns, pid)
);
CREATE TABLE sources (
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    owner_id INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    version VARCHAR,
    why VARCHAR,
    fix VARCHAR,
    changed_at INTEGER NOT NULL,
    error VARCHAR,
    error_at INTEGER,
    PRIMARY KEY (name),
    CONSTRAINT source_state CHECK ((state = 'connected' OR state = 'foreign' OR state = 'hung' OR state = 'refused' OR state = 'unreachable'))
);
CREATE TABLE sightings (
    source VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    runs VARCHAR NOT NULL,
    since INTEGER,
    last_sign INTEGER,
    waiting INTEGER,
    outcome VARCHAR,
    from_files BOOLEAN NOT NULL,
    warned_epoch INTEGER,
    freed_epoch INTEGER,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (source, "key"),
    CONSTRAINT sighting_key_length CHECK (length(key) BETWEEN 1 AND 512),
    CONSTRAINT sighting_state CHECK ((state = 'ghost' OR state = 'idle' OR state = 'running' OR state = 'stale'))
)
 WITHOUT ROWID;
CREATE TABLE freeings (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    source VARCHAR NOT NULL,
    "key" VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    reset BOOLEAN NOT NULL,
    actor VARCHAR NOT NULL,
    reason VARCHAR,
    asked_at INTEGER NOT NULL,
    taken_by INTEGER,
    outcome VARCHAR,
    steps VARCHAR,
    ended_at INTEGER,
    CONSTRAINT freeing_end_whole CHECK (((ended_at IS NULL) = (outcome IS NULL)))
);
CREATE TABLE pauses (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    lane_id INTEGER,
    pattern VARCHAR,
    kind VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    actor VARCHAR NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER,
    CONSTRAINT pause_kind CHECK ((kind = 'budget' OR kind = 'hand' OR kind = 'interrupted' OR kind = 'loop' OR kind = 'restored' OR kind = 'survivors')),
    CONSTRAINT pause_of_one_or_of_many CHECK ((lane_id IS NULL) <> (pattern IS NULL)),
    FOREIGN KEY(lane_id) REFERENCES lanes (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX freeings_open ON freeings (source, id) WHERE ended_at IS NULL;
CREATE INDEX incidents_unsent ON incidents (next_at) WHERE (begin_sent_at IS NULL OR (ended_at IS NOT NULL AND end_sent_at IS NULL));
CREATE INDEX lanes_aborted ON lanes (id) WHERE state = 'aborted';
CREATE INDEX lanes_all ON lanes (anonymous);
CREATE INDEX lanes_anonymous ON lanes (id) WHERE anonymous;
CREATE INDEX lanes_children ON lanes (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX lanes_claimable ON lanes (run_id, head_id) WHERE head_id IS NOT NULL;
CREATE INDEX lanes_errored ON lanes (id) WHERE state = 'errored';
CREATE INDEX lanes_held ON lanes (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX lanes_unlisted ON lanes (state, anonymous, head_id, run_id) WHERE anonymous AND head_id IS NULL AND run_id IS NULL;
CREATE INDEX lanes_waiting ON lanes (head_id) WHERE head_id IS NOT NULL;
CREATE INDEX messages_batch ON messages (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX messages_bound ON messages (bound_owner) WHERE bound_owner IS NOT NULL AND ended_at IS NULL;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL AND state = 'queued';
CREATE INDEX messages_failed ON messages (id, retried_as) WHERE state = 'failed' AND NOT anonymous;
CREATE INDEX messages_for_run ON messages (for_run) WHERE for_run IS NOT NULL;
CREATE INDEX messages_moved ON messages (moved_to) WHERE moved_to IS NOT NULL AND state = 'queued';
CREATE INDEX messages_of_lane ON messages (lane_id, id);
CREATE INDEX messages_parked ON messages (parked_until) WHERE parked_for IS NOT NULL;
CREATE INDEX messages_queued ON messages (lane_id, rank) WHERE state = 'queued';
CREATE INDEX owners_living ON owners (id) WHERE ended_at IS NULL;
CREATE INDEX runs_left_out ON runs (left_out) WHERE ended_at IS NULL AND left_out >= 2;
CREATE INDEX runs_of_message ON runs (message_id);
CREATE INDEX runs_of_owner ON runs (owner_id, abort_at) WHERE ended_at IS NULL;
CREATE INDEX runs_placed ON runs (provider) WHERE provider IS NOT NULL AND ended_at IS NULL;
CREATE INDEX runs_refused ON runs (refused_writes) WHERE refused_writes > 0;
CREATE INDEX runs_unlimited ON runs (id) WHERE ended_at IS NULL AND (run_timeout_ms IS NULL OR stall_timeout_ms IS NULL);
CREATE INDEX runs_unproven ON runs (lane_id, process_host) WHERE forced AND (kind = 'command' OR process_pid IS NOT NULL) AND coalesce(survivors, '') <> '[]';
CREATE UNIQUE INDEX incidents_open ON incidents (alert, kind, subject) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX pauses_of_lane ON pauses (lane_id, kind);
CREATE UNIQUE INDEX pauses_of_pattern ON pauses (pattern, kind);
CREATE UNIQUE INDEX runs_open ON runs (lane_id) WHERE ended_at IS NULL;
