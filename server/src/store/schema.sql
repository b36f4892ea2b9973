-- The database of a node, version 1. Times are milliseconds since 1970 (UTC), UIDs are text.
-- No patient data: what is needed of a header is read from the image when it is needed.
-- Plain SQL that PostgreSQL takes too, but for AUTOINCREMENT (there: GENERATED ALWAYS AS IDENTITY).

CREATE TABLE study (
    study_uid        TEXT PRIMARY KEY,
    state            TEXT NOT NULL CHECK (state IN ('receiving', 'complete')),
    -- Rises when an image comes after the study was complete.
    revision         INTEGER NOT NULL,
    -- The last revision for which it was decided what to do; 0: none.
    planned          INTEGER NOT NULL DEFAULT 0,
    -- Why nothing is done with it, where nothing is.
    note             TEXT,
    sender           TEXT NOT NULL,
    lane             INTEGER NOT NULL,
    expected         INTEGER,
    first_at         BIGINT NOT NULL,
    last_at          BIGINT NOT NULL,
    complete_at      BIGINT,
    images_purged_at BIGINT
);
CREATE INDEX study_by_time ON study (state, last_at);
CREATE INDEX study_by_age ON study (last_at, study_uid);
CREATE INDEX study_by_sender ON study (sender, last_at);
CREATE INDEX study_unplanned ON study (lane, complete_at, study_uid) WHERE state <> 'receiving' AND planned < revision;

CREATE TABLE instance (
    sop_instance_uid TEXT PRIMARY KEY,
    study_uid        TEXT NOT NULL REFERENCES study,
    series_uid       TEXT NOT NULL,
    sop_class_uid    TEXT NOT NULL,
    transfer_syntax  TEXT NOT NULL,
    -- Of the data set as it was received.
    sha256           TEXT NOT NULL,
    bytes            BIGINT NOT NULL,
    -- Below the folder images/.
    file             TEXT NOT NULL,
    -- The revision of the study that it first belongs to; 0: none (no image).
    revision         INTEGER NOT NULL,
    sender           TEXT NOT NULL,
    received_at      BIGINT NOT NULL,
    -- When its file was removed; if it comes again it is kept again.
    purged_at        BIGINT
);
-- With all that is asked again and again while a study is being received.
CREATE INDEX instance_by_study ON instance (study_uid, revision, received_at, purged_at);

-- Objects under the UID of another one that came before, with other bytes.
CREATE TABLE quarantine (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    sop_instance_uid TEXT NOT NULL,
    study_uid        TEXT NOT NULL,
    sha256           TEXT NOT NULL,
    bytes            BIGINT NOT NULL,
    -- Below the folder quarantine/.
    file             TEXT NOT NULL,
    reason           TEXT NOT NULL,
    sender           TEXT NOT NULL,
    received_at      BIGINT NOT NULL,
    -- When its file was removed.
    purged_at        BIGINT,
    UNIQUE (sop_instance_uid, sha256)
);

CREATE TABLE job (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    study_uid        TEXT NOT NULL REFERENCES study,
    revision         INTEGER NOT NULL,
    -- Names and versions of the models: a study's revision is analysed once by each.
    models_key       TEXT NOT NULL,
    -- What to do, as JSON: see jobs::Task.
    task             TEXT NOT NULL,
    rule             TEXT NOT NULL,
    lane             INTEGER NOT NULL,
    state            TEXT NOT NULL
        CHECK (state IN ('queued', 'leased', 'done', 'failed', 'dead', 'cancelled')),
    -- Charged when a worker claims the job, and never given back.
    attempts         INTEGER NOT NULL DEFAULT 0,
    not_before       BIGINT NOT NULL,
    -- Rises with each claim: who comes with an old one is a zombie.
    token            INTEGER NOT NULL DEFAULT 0,
    owner            TEXT,
    lease_until      BIGINT,
    reason           TEXT,
    -- What was found, as JSON for the status page: see jobs::Summary.
    summary          TEXT,
    created_at       BIGINT NOT NULL,
    started_at       BIGINT,
    ended_at         BIGINT,
    UNIQUE (study_uid, revision, models_key)
);
-- With not_before: jobs that wait for their next try are passed over within the index.
CREATE INDEX job_next ON job (state, lane, id, not_before);

CREATE TABLE result (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           INTEGER NOT NULL REFERENCES job,
    -- sr, seg, key_image, narrative: DICOM objects. findings, report, page, picture: files for people and programs.
    kind             TEXT NOT NULL,
    name             TEXT NOT NULL,
    -- Below the folder results/.
    file             TEXT NOT NULL,
    sha256           TEXT NOT NULL,
    bytes            BIGINT NOT NULL,
    sop_class_uid    TEXT,
    sop_instance_uid TEXT,
    series_uid       TEXT,
    UNIQUE (job_id, name)
);
CREATE INDEX result_by_uid ON result (sop_instance_uid);

-- One row for each result object and destination. Written in the transaction that ends the job.
CREATE TABLE outbox (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           INTEGER NOT NULL REFERENCES job,
    result_id        INTEGER NOT NULL REFERENCES result,
    destination      TEXT NOT NULL,
    -- The job's, so that results of emergencies pass those that wait.
    lane             INTEGER NOT NULL DEFAULT 1,
    -- sent: the peer has said that it has it; committed: and that it keeps it.
    state            TEXT NOT NULL
        CHECK (state IN ('pending', 'sent', 'committed', 'refused', 'dead')),
    -- Charged when the object is taken to be sent; given back only if it was not tried after all.
    attempts         INTEGER NOT NULL DEFAULT 0,
    not_before       BIGINT NOT NULL,
    reason           TEXT,
    -- Of a sent object: when to ask for storage commitment (again); NULL: not, or no more.
    commit_at        BIGINT,
    -- How often it was asked for, and the Transaction UID of the last time.
    asked            INTEGER NOT NULL DEFAULT 0,
    transaction_uid  TEXT,
    sent_at          BIGINT,
    UNIQUE (result_id, destination)
);
CREATE INDEX outbox_next ON outbox (destination, state, lane, not_before);
CREATE INDEX outbox_to_commit ON outbox (destination, commit_at) WHERE commit_at IS NOT NULL;
CREATE INDEX outbox_by_job ON outbox (job_id, destination);
CREATE INDEX outbox_by_sending ON outbox (destination, sent_at);

-- Every request for storage commitment: its answer may come much later, when it was asked for again.
CREATE TABLE commitment (
    transaction_uid  TEXT PRIMARY KEY,
    job_id           INTEGER NOT NULL REFERENCES job,
    destination      TEXT NOT NULL,
    asked_at         BIGINT NOT NULL,
    answered_at      BIGINT
);

-- How destinations fare. One that was never in trouble has no row.
CREATE TABLE destination (
    name             TEXT PRIMARY KEY,
    -- Failed tries in a row; 0: all is well.
    failures         INTEGER NOT NULL,
    -- Nothing is sent there before.
    not_before       BIGINT NOT NULL,
    reason           TEXT,
    -- Since when it is in trouble.
    since            BIGINT
);

-- Critical findings to be told. Written in the transaction that ends the job.
CREATE TABLE alert (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id           INTEGER NOT NULL REFERENCES job,
    finding          INTEGER NOT NULL,
    -- The JSON that is posted.
    body             TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    not_before       BIGINT NOT NULL,
    reason           TEXT,
    sent_at          BIGINT,
    UNIQUE (job_id, finding)
);
CREATE INDEX alert_next ON alert (state, not_before);

-- What happened, for people: never changed, never removed.
CREATE TABLE event (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               BIGINT NOT NULL,
    study_uid        TEXT,
    job_id           INTEGER,
    -- What happened, a word or two: received, complete, planned, claimed, done, sent, committed ..
    what             TEXT NOT NULL,
    detail           TEXT
);
CREATE INDEX event_by_study ON event (study_uid, id);
