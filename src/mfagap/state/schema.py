"""The state's tables; each change of them is one more migration, and none is ever edited."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # Single facts: how far the lake's changes were taken in, the watermark, the last NOW.
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",
        """
CREATE TABLE sources (
    name TEXT PRIMARY KEY,
    cursor TEXT,                  -- opaque; where reading goes on
    watermark_ms INTEGER,         -- events before this are believed complete
    heard_ms INTEGER NOT NULL     -- wall clock when the watermark last moved
) STRICT""",
        """
CREATE TABLE files (              -- what a folder source has read
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    PRIMARY KEY (source, path)
) STRICT""",
        """
CREATE TABLE slots (
    detection TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    watermark_ms INTEGER NOT NULL, -- at which it was evaluated
    evaluated_ms INTEGER NOT NULL, -- wall clock
    events INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    dirty INTEGER NOT NULL,        -- an event came that its evaluation did not see
    PRIMARY KEY (detection, from_ms)
) STRICT""",
        """
CREATE TABLE versions (           -- of findings: only ever added to
    detection TEXT NOT NULL,
    uuid TEXT NOT NULL,
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,       -- NOW of the evaluation
    watermark_ms INTEGER NOT NULL,
    finding TEXT NOT NULL,        -- JSON
    PRIMARY KEY (detection, uuid, version)
) STRICT""",
        """
CREATE TABLE sessions (           -- the last version of each finding, to be looked up
    detection TEXT NOT NULL,
    uuid TEXT NOT NULL,
    version INTEGER NOT NULL,
    start_ms INTEGER NOT NULL,
    dedup_key TEXT NOT NULL,
    actor_id TEXT,
    client_ip TEXT,
    rule_id TEXT,                 -- the policy rule that let it in
    mfa_status TEXT,              -- NULL: the start is no finding any more
    due INTEGER NOT NULL,         -- waits for the runbook, or for its alert
    verdict TEXT,
    severity INTEGER,             -- the verdict's
    follow_up_ms INTEGER,         -- booked: the watermark from which to look again
    PRIMARY KEY (detection, uuid)
) STRICT""",
        "CREATE INDEX sessions_by_key ON sessions (detection, dedup_key, start_ms)",
        "CREATE INDEX sessions_by_start ON sessions (detection, start_ms)",
        "CREATE INDEX sessions_by_actor ON sessions (actor_id)",
        "CREATE INDEX sessions_by_address ON sessions (client_ip, start_ms)",
        "CREATE INDEX sessions_by_rule ON sessions (detection, rule_id, start_ms)",
        "CREATE INDEX sessions_due ON sessions (detection) WHERE due = 1",
        "CREATE INDEX sessions_booked ON sessions (follow_up_ms) WHERE follow_up_ms IS NOT NULL",
        """
CREATE TABLE investigations (     -- runs of the runbook: only ever added to
    detection TEXT NOT NULL,
    uuid TEXT NOT NULL,
    run INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    investigation TEXT NOT NULL,  -- JSON
    PRIMARY KEY (detection, uuid, run)
) STRICT""",
        """
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    detection TEXT NOT NULL,
    dedup_key TEXT NOT NULL,
    first_ms INTEGER NOT NULL,    -- the first match, on which the window is anchored
    status TEXT NOT NULL CHECK (status IN ('open', 'acknowledged', 'closed')),
    resolution TEXT,
    severity INTEGER NOT NULL,
    verdict TEXT,
    opened_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT""",
        "CREATE INDEX alerts_by_key ON alerts (detection, dedup_key)",
        """
CREATE TABLE members (
    detection TEXT NOT NULL,
    uuid TEXT NOT NULL,
    alert INTEGER NOT NULL REFERENCES alerts (id),
    PRIMARY KEY (detection, uuid)
) STRICT""",
        "CREATE INDEX members_by_alert ON members (alert)",
        """
CREATE TABLE deeds (              -- what happened to an alert: only ever added to
    id INTEGER PRIMARY KEY,
    alert INTEGER NOT NULL REFERENCES alerts (id),
    at_ms INTEGER NOT NULL,
    deed TEXT NOT NULL,
    who TEXT,                     -- a person; NULL for mfagap
    note TEXT
) STRICT""",
        "CREATE INDEX deeds_by_alert ON deeds (alert)",
        """
CREATE TABLE outbox (
    key TEXT PRIMARY KEY,         -- the idempotency key
    alert INTEGER NOT NULL REFERENCES alerts (id),
    route TEXT NOT NULL,
    body TEXT NOT NULL,           -- JSON
    status TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'parked')),
    attempts INTEGER NOT NULL,
    next_ms INTEGER NOT NULL,
    failure TEXT
) STRICT""",
        "CREATE INDEX outbox_waiting ON outbox (next_ms) WHERE status = 'waiting'",
    ),
    (
        """
CREATE TABLE objects (            -- what an object store has read lately
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    tag TEXT NOT NULL,            -- changes with its content
    modified_ms INTEGER NOT NULL, -- when it was written, by the store's clock
    PRIMARY KEY (source, key)
) STRICT""",
    ),
    (
        """
CREATE TABLE suppressions (       -- exceptions on alerts; none is ever removed
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,          -- who answers for it
    reason TEXT NOT NULL,
    detection TEXT,               -- conditions, which must all hold; NULL: any
    user TEXT,
    address TEXT,
    rule TEXT,
    client TEXT,
    added_ms INTEGER NOT NULL,
    added_by TEXT NOT NULL,
    until_ms INTEGER NOT NULL,    -- its expiry
    ended_ms INTEGER,             -- when a person ended it before
    ended_by TEXT,
    note TEXT,                    -- why
    CHECK (coalesce(user, address, rule) IS NOT NULL)
) STRICT""",
        """
CREATE TABLE untold (             -- alerts of which a suppression kept the last news from people
    alert INTEGER PRIMARY KEY REFERENCES alerts (id)
) STRICT""",
        "CREATE INDEX outbox_by_alert ON outbox (alert)",
    ),
    (
        """
CREATE TABLE closed (             -- policy rules that a plan closed, to be watched
    rule_id TEXT PRIMARY KEY,
    policy_id TEXT NOT NULL,
    name TEXT NOT NULL,
    run TEXT NOT NULL,            -- that closed it
    closed_ms INTEGER NOT NULL,   -- when, by Okta's clock
    actor_id TEXT,                -- as whom, in the log; NULL where nobody knows
    looked INTEGER NOT NULL,      -- whether the log since then was looked through once
    alert INTEGER REFERENCES alerts (id) -- the last that was opened about it
) STRICT""",
    ),
    ("ALTER TABLE closed DROP COLUMN actor_id",),  # our writes are known by their requests
)
