CREATE TABLE alarms (
	station VARCHAR(32) NOT NULL, 
	alarm VARCHAR(32) NOT NULL, 
	subject VARCHAR(48) NOT NULL, 
	detail TEXT NOT NULL, 
	raised_at BIGINT NOT NULL, 
	cleared_at BIGINT, 
	CONSTRAINT pk_alarms PRIMARY KEY (station, alarm, subject)
);
INSERT INTO "alarms" VALUES ('abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 1769846400000000);
INSERT INTO "alarms" VALUES ('dcba', 'dcba', 'dcba', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 1769846400000000);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES ('0011');
CREATE TABLE archives (
	id INTEGER NOT NULL, 
	"table" VARCHAR(16) NOT NULL, 
	file VARCHAR(200) NOT NULL, 
	rows BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	written_at BIGINT NOT NULL, 
	deleted_at BIGINT, 
	proof VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_archives PRIMARY KEY (id)
);
INSERT INTO "archives" VALUES (7, 'abcd', 'abcd', 1769846400000000, 'abcd', 1769846400000000, 1769846400000000, 'abcd');
INSERT INTO "archives" VALUES (8, 'abcd', 'abcd', 1769846400000000, 'abcd', 1769846400000000, 1769846400000000, 'abcd');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(80) NOT NULL, 
	action VARCHAR(40) NOT NULL, 
	subject VARCHAR(120) NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES (7, 1769846400000000, 'abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
INSERT INTO "audit" VALUES (8, 1769846400000000, 'abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
CREATE INDEX ix_audit_at ON audit (at);
CREATE TABLE chain_anchors (
	station VARCHAR(32) NOT NULL, 
	spool VARCHAR(36) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64), 
	archive INTEGER NOT NULL, 
	proof VARCHAR(64) NOT NULL, began_at BIGINT, 
	CONSTRAINT pk_chain_anchors PRIMARY KEY (station, spool)
);
INSERT INTO "chain_anchors" VALUES ('abcd', 'abcd', 1769846400000000, 'abcd', 7, 'abcd', 1769846400000000);
INSERT INTO "chain_anchors" VALUES ('dcba', 'dcba', 1769846400000000, 'abcd', 7, 'abcd', 1769846400000000);
CREATE TABLE chain_breaks (
	station VARCHAR(32) NOT NULL, 
	spool VARCHAR(36) NOT NULL, 
	seq BIGINT NOT NULL, 
	found_at BIGINT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_chain_breaks PRIMARY KEY (station, spool, seq)
);
INSERT INTO "chain_breaks" VALUES ('abcd', 'abcd', 1769846400000000, 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
INSERT INTO "chain_breaks" VALUES ('dcba', 'dcba', 1769846400000001, 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
CREATE TABLE events (
	station VARCHAR(32) NOT NULL, 
	spool VARCHAR(36) NOT NULL, 
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	reported_at BIGINT NOT NULL, 
	received_at BIGINT NOT NULL, 
	kind VARCHAR(48) NOT NULL, 
	member VARCHAR(16), 
	body TEXT NOT NULL, boot VARCHAR(36), mono_ms BIGINT, chain VARCHAR(64), 
	CONSTRAINT pk_events PRIMARY KEY (station, spool, seq)
)
 WITHOUT ROWID;
INSERT INTO "events" VALUES ('abcd', 'abcd', 1769846400000000, 1769846400000000, 1769846400000000, 1769846400000000, 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, 'abcd');
INSERT INTO "events" VALUES ('dcba', 'dcba', 1769846400000001, 1769846400000000, 1769846400000000, 1769846400000000, 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, 'abcd');
CREATE INDEX ix_events_at ON events (at);
CREATE INDEX ix_events_station_at ON events (station, at);
CREATE TABLE face_consents (
	member VARCHAR(16) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	given_at BIGINT NOT NULL, 
	stations TEXT NOT NULL, 
	purpose VARCHAR(200) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	recorded_by VARCHAR(80) NOT NULL, 
	CONSTRAINT pk_face_consents PRIMARY KEY (member, station, given_at)
);
INSERT INTO "face_consents" VALUES ('abcd', 'abcd', 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, 'abcd');
INSERT INTO "face_consents" VALUES ('dcba', 'dcba', 1769846400000001, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, 'abcd');
CREATE TABLE face_erasures (
	id VARCHAR(36) NOT NULL, 
	member VARCHAR(16) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	why VARCHAR(16) NOT NULL, 
	asked_at BIGINT NOT NULL, 
	asked_by VARCHAR(80) NOT NULL, 
	done_at BIGINT, 
	templates INTEGER, 
	spool VARCHAR(36), 
	seq BIGINT, 
	chain VARCHAR(64), 
	CONSTRAINT pk_face_erasures PRIMARY KEY (id)
);
INSERT INTO "face_erasures" VALUES ('abcd', 'abcd', 'abcd', 'abcd', 1769846400000000, 'abcd', 1769846400000000, 7, 'abcd', 1769846400000000, 'abcd');
INSERT INTO "face_erasures" VALUES ('dcba', 'abcd', 'abcd', 'abcd', 1769846400000000, 'abcd', 1769846400000000, 7, 'abcd', 1769846400000000, 'abcd');
CREATE INDEX ix_face_erasures_done_at ON face_erasures (done_at);
CREATE INDEX ix_face_erasures_member ON face_erasures (member);
CREATE TABLE faces (
	member VARCHAR(16) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	templates INTEGER NOT NULL, 
	consent_until BIGINT NOT NULL, enrolled_at BIGINT, 
	CONSTRAINT pk_faces PRIMARY KEY (member, station)
);
INSERT INTO "faces" VALUES ('abcd', 'abcd', 7, 1769846400000000, 1769846400000000);
INSERT INTO "faces" VALUES ('dcba', 'dcba', 7, 1769846400000000, 1769846400000000);
CREATE TABLE latest_readings (
	station VARCHAR(32) NOT NULL, 
	device VARCHAR(48) NOT NULL, 
	point VARCHAR(48) NOT NULL, 
	value TEXT NOT NULL, 
	unit VARCHAR(16) NOT NULL, 
	quality VARCHAR(8) NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_latest_readings PRIMARY KEY (station, device, point)
);
INSERT INTO "latest_readings" VALUES ('abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 'abcd', 1769846400000000);
INSERT INTO "latest_readings" VALUES ('dcba', 'dcba', 'dcba', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 'abcd', 1769846400000000);
CREATE TABLE members (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR(60) NOT NULL, 
	occupation VARCHAR(24) NOT NULL, 
	active BOOLEAN NOT NULL, 
	valid_until BIGINT, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_members PRIMARY KEY (id)
);
INSERT INTO "members" VALUES ('abcd', 'abcd', 'abcd', 1, 1769846400000000, 1769846400000000);
INSERT INTO "members" VALUES ('dcba', 'abcd', 'abcd', 1, 1769846400000000, 1769846400000000);
CREATE INDEX ix_members_name_id ON members (name, id);
CREATE TABLE rejected (
	source VARCHAR(64) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	count BIGINT NOT NULL, 
	last_at BIGINT NOT NULL, 
	last_detail TEXT NOT NULL, 
	CONSTRAINT pk_rejected PRIMARY KEY (source, reason)
);
INSERT INTO "rejected" VALUES ('abcd', 'abcd', 1769846400000000, 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
INSERT INTO "rejected" VALUES ('dcba', 'dcba', 1769846400000000, 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
CREATE TABLE restores (
	at BIGINT NOT NULL, 
	made_at BIGINT NOT NULL, 
	actor VARCHAR(80) NOT NULL, 
	CONSTRAINT pk_restores PRIMARY KEY (at)
);
INSERT INTO "restores" VALUES (1769846400000000, 1769846400000000, 'abcd');
INSERT INTO "restores" VALUES (1769846400000001, 1769846400000000, 'abcd');
CREATE TABLE station_streams (
	station VARCHAR(32) NOT NULL, 
	spool VARCHAR(36) NOT NULL, 
	stream VARCHAR(16) NOT NULL, 
	mark BIGINT NOT NULL, chain VARCHAR(64), 
	CONSTRAINT pk_station_streams PRIMARY KEY (station, spool, stream)
);
INSERT INTO "station_streams" VALUES ('abcd', 'abcd', 'abcd', 1769846400000000, 'abcd');
INSERT INTO "station_streams" VALUES ('dcba', 'dcba', 'dcba', 1769846400000000, 'abcd');
CREATE TABLE stations (
	id VARCHAR(32) NOT NULL, 
	profile TEXT NOT NULL, 
	broker_secret VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_state TEXT, 
	last_seen BIGINT, 
	CONSTRAINT pk_stations PRIMARY KEY (id)
);
INSERT INTO "stations" VALUES ('abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000);
INSERT INTO "stations" VALUES ('dcba', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000);
CREATE TABLE telemetry (
	station VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	spool VARCHAR(36) NOT NULL, 
	seq BIGINT NOT NULL, 
	kind VARCHAR(48) NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_telemetry PRIMARY KEY (station, at, spool, seq)
)
 WITHOUT ROWID;
INSERT INTO "telemetry" VALUES ('abcd', 1769846400000000, 'abcd', 1769846400000000, 'readings', '{"readings": [{"device": "climate", "point": "temperature", "unit": "\u00b0C", "quality": "good", "at": "2026-01-31T08:00:00Z", "value": 20.5}]}');
INSERT INTO "telemetry" VALUES ('dcba', 1769846400000001, 'dcba', 1769846400000001, 'readings', '{"readings": [{"device": "climate", "point": "temperature", "unit": "\u00b0C", "quality": "good", "at": "2026-01-31T08:00:00Z", "value": 20.5}]}');
CREATE TABLE telemetry_hours (
	station VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_telemetry_hours PRIMARY KEY (station, at)
)
 WITHOUT ROWID;
INSERT INTO "telemetry_hours" VALUES ('abcd', 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
INSERT INTO "telemetry_hours" VALUES ('dcba', 1769846400000001, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
CREATE TABLE telemetry_minutes (
	station VARCHAR(32) NOT NULL, 
	at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_telemetry_minutes PRIMARY KEY (station, at)
)
 WITHOUT ROWID;
INSERT INTO "telemetry_minutes" VALUES ('abcd', 1769846400000000, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
INSERT INTO "telemetry_minutes" VALUES ('dcba', 1769846400000001, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}');
CREATE TABLE users (
	user VARCHAR(40) NOT NULL, 
	name VARCHAR(60) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	password_hash VARCHAR(200) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (user)
);
INSERT INTO "users" VALUES ('abcd', 'abcd', 'abcd', 'abcd', 1769846400000000);
INSERT INTO "users" VALUES ('dcba', 'abcd', 'abcd', 'abcd', 1769846400000000);
CREATE TABLE visits (
	station VARCHAR(32) NOT NULL, 
	attempt VARCHAR(36) NOT NULL, 
	at BIGINT NOT NULL, 
	member VARCHAR(16), 
	credential VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_visits PRIMARY KEY (station, attempt)
);
INSERT INTO "visits" VALUES ('abcd', 'abcd', 1769846400000000, 'abcd', 'abcd');
INSERT INTO "visits" VALUES ('dcba', 'dcba', 1769846400000000, 'abcd', 'abcd');
CREATE INDEX ix_visits_member_at ON visits (member, at);
CREATE INDEX ix_visits_station_at ON visits (station, at);
CREATE TABLE access_codes (
	id VARCHAR(36) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	person VARCHAR(16), 
	member VARCHAR(16), 
	name VARCHAR(60) NOT NULL, 
	role VARCHAR(48), 
	occupation VARCHAR(24), 
	phone VARCHAR(20), 
	not_before BIGINT, 
	not_after BIGINT, 
	uses INTEGER, 
	created_at BIGINT NOT NULL, 
	created_by VARCHAR(80) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	revoked_at BIGINT, 
	revoked_by VARCHAR(80), 
	CONSTRAINT pk_access_codes PRIMARY KEY (id), 
	CONSTRAINT fk_access_codes_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "access_codes" VALUES ('abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 1769846400000000, 1769846400000000, 7, 1769846400000000, 'abcd', 'abcd', 1769846400000000, 'abcd');
INSERT INTO "access_codes" VALUES ('dcba', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 'abcd', 1769846400000000, 1769846400000000, 7, 1769846400000000, 'abcd', 'abcd', 1769846400000000, 'abcd');
CREATE INDEX ix_access_codes_station_revoked_at ON access_codes (station, revoked_at);
CREATE TABLE claims (
	id VARCHAR(5) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by VARCHAR(80) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	withdrawn_at BIGINT, 
	used_at BIGINT, 
	"key" VARCHAR(64), 
	serial VARCHAR(40), 
	CONSTRAINT pk_claims PRIMARY KEY (id), 
	CONSTRAINT fk_claims_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "claims" VALUES ('abcd', 'abcd', 1769846400000000, 'abcd', 'abcd', 1769846400000000, 1769846400000000, 1769846400000000, 'abcd', 'abcd');
INSERT INTO "claims" VALUES ('dcba', 'abcd', 1769846400000000, 'abcd', 'abcd', 1769846400000000, 1769846400000000, 1769846400000000, 'abcd', 'abcd');
CREATE INDEX ix_claims_station_created_at ON claims (station, created_at);
CREATE TABLE commands (
	id VARCHAR(36) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	"order" TEXT NOT NULL, 
	actor VARCHAR(80) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	issued_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	told_by_station BOOLEAN NOT NULL, 
	detail TEXT NOT NULL, 
	result TEXT NOT NULL, 
	accepted_at BIGINT, 
	settled_at BIGINT, confirm_until BIGINT, confirmer VARCHAR(80), 
	CONSTRAINT pk_commands PRIMARY KEY (id), 
	CONSTRAINT fk_commands_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "commands" VALUES ('abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 'abcd', 1769846400000000, 1769846400000000, 'abcd', 1, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 1769846400000000, 1769846400000000, 'abcd');
INSERT INTO "commands" VALUES ('dcba', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 'abcd', 'abcd', 1769846400000000, 1769846400000000, 'abcd', 1, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 1769846400000000, 1769846400000000, 'abcd');
CREATE INDEX ix_commands_station_issued_at ON commands (station, issued_at);
CREATE INDEX ix_commands_status_expires_at ON commands (status, expires_at);
CREATE TABLE phone_keys (
	member VARCHAR(16) NOT NULL, 
	public VARCHAR(66) NOT NULL, 
	kid SMALLINT NOT NULL, 
	algorithm VARCHAR(16) NOT NULL, 
	not_after BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, revoked_at BIGINT, 
	CONSTRAINT pk_phone_keys PRIMARY KEY (member, public), 
	CONSTRAINT fk_phone_keys_member FOREIGN KEY(member) REFERENCES members (id)
);
INSERT INTO "phone_keys" VALUES ('abcd', 'abcd', 7, 'abcd', 1769846400000000, 1769846400000000, 1769846400000000);
INSERT INTO "phone_keys" VALUES ('abcd', 'dcba', 7, 'abcd', 1769846400000000, 1769846400000000, 1769846400000000);
CREATE TABLE phone_sessions (
	token_hash VARCHAR(64) NOT NULL, 
	member VARCHAR(16) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_phone_sessions PRIMARY KEY (token_hash), 
	CONSTRAINT fk_phone_sessions_member FOREIGN KEY(member) REFERENCES members (id)
);
INSERT INTO "phone_sessions" VALUES ('abcd', 'abcd', 1769846400000000);
INSERT INTO "phone_sessions" VALUES ('dcba', 'abcd', 1769846400000000);
CREATE TABLE phone_tickets (
	token_hash VARCHAR(64) NOT NULL, 
	member VARCHAR(16) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_phone_tickets PRIMARY KEY (token_hash), 
	CONSTRAINT fk_phone_tickets_member FOREIGN KEY(member) REFERENCES members (id)
);
INSERT INTO "phone_tickets" VALUES ('abcd', 'abcd', 1769846400000000);
INSERT INTO "phone_tickets" VALUES ('dcba', 'abcd', 1769846400000000);
CREATE TABLE rosters (
	station VARCHAR(32) NOT NULL, 
	version INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	issued_at BIGINT NOT NULL, 
	CONSTRAINT pk_rosters PRIMARY KEY (station), 
	CONSTRAINT fk_rosters_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "rosters" VALUES ('abcd', 7, 'abcd', 1769846400000000);
INSERT INTO "rosters" VALUES ('dcba', 7, 'abcd', 1769846400000000);
CREATE TABLE sessions (
	token_hash VARCHAR(64) NOT NULL, 
	user VARCHAR(40) NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (token_hash), 
	CONSTRAINT fk_sessions_user FOREIGN KEY(user) REFERENCES users (user)
);
INSERT INTO "sessions" VALUES ('abcd', 'abcd', 1769846400000000);
INSERT INTO "sessions" VALUES ('dcba', 'abcd', 1769846400000000);
CREATE TABLE station_certificates (
	serial VARCHAR(40) NOT NULL, 
	station VARCHAR(32) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	certificate TEXT NOT NULL, 
	issued_at BIGINT NOT NULL, 
	issued_by VARCHAR(80) NOT NULL, 
	not_after BIGINT NOT NULL, 
	revoked_at BIGINT, 
	revoked_by VARCHAR(80), 
	reason VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_station_certificates PRIMARY KEY (serial), 
	CONSTRAINT fk_station_certificates_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "station_certificates" VALUES ('abcd', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 1769846400000000, 1769846400000000, 'abcd', 'abcd');
INSERT INTO "station_certificates" VALUES ('dcba', 'abcd', 'abcd', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 1769846400000000, 1769846400000000, 'abcd', 'abcd');
CREATE INDEX ix_station_certificates_revoked_at_not_after ON station_certificates (revoked_at, not_after);
CREATE INDEX ix_station_certificates_station_issued_at ON station_certificates (station, issued_at);
CREATE TABLE station_rules (
	station VARCHAR(32) NOT NULL, 
	version INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	document TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	changed_by VARCHAR(80) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_station_rules PRIMARY KEY (station), 
	CONSTRAINT fk_station_rules_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "station_rules" VALUES ('abcd', 7, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 'abcd');
INSERT INTO "station_rules" VALUES ('dcba', 7, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 'abcd');
CREATE TABLE station_rules_history (
	station VARCHAR(32) NOT NULL, 
	version INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	changed_by VARCHAR(80) NOT NULL, 
	action VARCHAR(40) NOT NULL, 
	reason VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_station_rules_history PRIMARY KEY (station, version), 
	CONSTRAINT fk_station_rules_history_station FOREIGN KEY(station) REFERENCES stations (id)
);
INSERT INTO "station_rules_history" VALUES ('abcd', 7, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 'abcd', 'abcd');
INSERT INTO "station_rules_history" VALUES ('abcd', 8, '{"a": [1, 2.5, null, "\u9a7f\u7ad9 '' \" \u0000"]}', 1769846400000000, 'abcd', 'abcd', 'abcd');
