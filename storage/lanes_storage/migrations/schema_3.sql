CREATE TABLE event_blocks (
    lane_id INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (lane_id, block)
) WITHOUT ROWID;
