-- A catalog that clipd 0.1 wrote: three photos, one of them deleted; two failures; a query.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'clipd','first','2026-11-24 16:14:22.887166+00:00');
CREATE TABLE failures (
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        root_id INTEGER NOT NULL REFERENCES roots(id),
        size_bytes INTEGER,
        mtime_ns INTEGER,
        ctime_ns INTEGER,
        inode INTEGER,
        device INTEGER,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (folder, name)
    );
INSERT INTO "failures" VALUES(X'2F70686F746F73',X'612E747874',1,NULL,NULL,NULL,NULL,NULL,'skipped','its name is not that of a picture',1000);
INSERT INTO "failures" VALUES(X'2F70686F746F73',X'6375742E6A7067',1,NULL,NULL,NULL,NULL,NULL,'corrupt','it is cut short',1000);
CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, photo_id INTEGER NOT NULL);
INSERT INTO "journal" VALUES(1,1);
INSERT INTO "journal" VALUES(2,1);
INSERT INTO "journal" VALUES(3,2);
INSERT INTO "journal" VALUES(4,2);
INSERT INTO "journal" VALUES(5,3);
INSERT INTO "journal" VALUES(6,3);
INSERT INTO "journal" VALUES(7,3);
CREATE TABLE lineage (token TEXT NOT NULL);
INSERT INTO "lineage" VALUES('53635dcb000b50a7611e586b131bd91c');
CREATE TABLE models (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        dim INTEGER NOT NULL
    );
INSERT INTO "models" VALUES(1,'one','one',16);
CREATE TABLE paths (
        id INTEGER PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots(id),
        folder BLOB NOT NULL,
        name BLOB NOT NULL,
        photo_id INTEGER NOT NULL REFERENCES photos(id),
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        device INTEGER NOT NULL,
        gone_at INTEGER,
        UNIQUE (folder, name)
    );
INSERT INTO "paths" VALUES(1,1,X'2F70686F746F73',X'3030303030302E6A7067',1,100,1000000000000000000,1000000000000000000,0,7,NULL);
INSERT INTO "paths" VALUES(2,1,X'2F70686F746F73',X'3030303030312E6A7067',2,100,1000000000000000001,1000000000000000001,1,7,NULL);
INSERT INTO "paths" VALUES(3,1,X'2F70686F746F73',X'3030303030322E6A7067',3,100,1000000000000000002,1000000000000000002,2,7,1000);
CREATE TABLE photos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        content_hash BLOB NOT NULL UNIQUE,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        taken_at TEXT NOT NULL,
        added_at INTEGER NOT NULL,
        live INTEGER NOT NULL DEFAULT 0,
        left_at INTEGER NOT NULL
    );
INSERT INTO "photos" VALUES(1,X'1240A4684403B160E6597A653A88F56C',4,3,'JPEG','',1000,1,1000);
INSERT INTO "photos" VALUES(2,X'CEA3878A334B240469D159FF840B6434',4,3,'JPEG','',1000,1,1000);
INSERT INTO "photos" VALUES(3,X'4129E2A8044A57CE7635FD6023661CD6',4,3,'JPEG','',1000,0,1000);
CREATE TABLE roots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,
        device INTEGER,
        inode INTEGER,
        configured INTEGER NOT NULL DEFAULT 1
    );
INSERT INTO "roots" VALUES(1,X'2F70686F746F73',NULL,NULL,1);
CREATE TABLE tallies (
        what TEXT NOT NULL,
        id INTEGER NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (what, id)
    ) WITHOUT ROWID;
INSERT INTO "tallies" VALUES('errors',0,1);
INSERT INTO "tallies" VALUES('paths',1,2);
INSERT INTO "tallies" VALUES('photos',0,2);
INSERT INTO "tallies" VALUES('skipped',0,1);
INSERT INTO "tallies" VALUES('vectors',1,2);
CREATE TABLE text_vectors (
        model_id INTEGER NOT NULL REFERENCES models(id),
        text BLOB NOT NULL,
        vector BLOB NOT NULL,
        used_at INTEGER NOT NULL,
        PRIMARY KEY (model_id, text)
    );
INSERT INTO "text_vectors" VALUES(1,X'612073756E7365742061742074686520736561',X'0C72003A90B2F33DC79FDFBD399FB5BE187239BEFF3ACABEC63EC43C61A8083F5BC148BE65127DBE79CA473E1490113EFCFA2B3D0BC1BDBEE6E43EBCC5CB8D3E',1000);
CREATE TABLE vectors (
        photo_id INTEGER NOT NULL REFERENCES photos(id),
        model_id INTEGER NOT NULL REFERENCES models(id),
        vector BLOB NOT NULL,
        PRIMARY KEY (photo_id, model_id)
    );
INSERT INTO "vectors" VALUES(1,1,X'61289AA894314F27AAB04D2EAE35203421B283B56EB1C22110B99FAB6DB561B2');
INSERT INTO "vectors" VALUES(2,1,X'8B306635583048B8F335DE310FB3A433CB30BC2FFA213033D7B448AC56B2DF33');
INSERT INTO "vectors" VALUES(3,1,X'732A75B00BAF34B9AC37E1348DAD9932CC2CB9B02B344CAD9CADC1B2C22FC4A6');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX photos_unused ON photos(left_at) WHERE live = 0;
CREATE INDEX paths_by_inode ON paths(inode, size_bytes, mtime_ns);
CREATE INDEX paths_by_photo ON paths(photo_id);
CREATE INDEX paths_gone ON paths(gone_at) WHERE gone_at IS NOT NULL;
CREATE INDEX text_vectors_used ON text_vectors(used_at);
CREATE INDEX failures_by_root ON failures(root_id);
CREATE INDEX failures_errors ON failures(folder, name) WHERE kind <> 'skipped';
CREATE TRIGGER path_added AFTER INSERT ON paths WHEN NEW.gone_at IS NULL BEGIN
        UPDATE photos SET live = live + 1 WHERE id = NEW.photo_id;
        INSERT INTO tallies VALUES ('paths', NEW.root_id, 1) ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER path_removed AFTER DELETE ON paths WHEN OLD.gone_at IS NULL BEGIN
        UPDATE photos SET live = live - 1, left_at = CAST(strftime('%s', 'now') AS INTEGER) WHERE id = OLD.photo_id;
        INSERT INTO tallies VALUES ('paths', OLD.root_id, -1) ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER path_changed AFTER UPDATE OF photo_id, gone_at, root_id ON paths
    WHEN OLD.photo_id <> NEW.photo_id OR OLD.root_id <> NEW.root_id
        OR (OLD.gone_at IS NULL) <> (NEW.gone_at IS NULL) BEGIN
        UPDATE photos SET live = live + 1 WHERE id = NEW.photo_id AND NEW.gone_at IS NULL;
        UPDATE photos SET live = live - 1, left_at = coalesce(NEW.gone_at, CAST(strftime('%s', 'now') AS INTEGER))
            WHERE id = OLD.photo_id AND OLD.gone_at IS NULL;
        INSERT INTO tallies VALUES ('paths', NEW.root_id, NEW.gone_at IS NULL) ON CONFLICT DO UPDATE SET value = value + excluded.value;
        INSERT INTO tallies VALUES ('paths', OLD.root_id, -(OLD.gone_at IS NULL)) ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER photo_came_or_left AFTER UPDATE OF live ON photos
    WHEN (OLD.live > 0) <> (NEW.live > 0) BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.id);
        INSERT INTO tallies VALUES ('photos', 0, CASE WHEN NEW.live > 0 THEN 1 ELSE -1 END) ON CONFLICT DO UPDATE SET value = value + excluded.value;
        UPDATE tallies SET value = value + CASE WHEN NEW.live > 0 THEN 1 ELSE -1 END
            WHERE what = 'vectors'
            AND id IN (SELECT model_id FROM vectors WHERE photo_id = NEW.id);
    END;
CREATE TRIGGER vector_added AFTER INSERT ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.photo_id);
        INSERT INTO tallies VALUES ('vectors', NEW.model_id, (SELECT live > 0 FROM photos WHERE id = NEW.photo_id)) ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER vector_changed AFTER UPDATE OF vector ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (NEW.photo_id);
    END;
CREATE TRIGGER vector_removed AFTER DELETE ON vectors BEGIN
        INSERT INTO journal(photo_id) VALUES (OLD.photo_id);
        INSERT INTO tallies VALUES ('vectors', OLD.model_id, -(SELECT live > 0 FROM photos WHERE id = OLD.photo_id)) ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER failure_added AFTER INSERT ON failures BEGIN
        INSERT INTO tallies SELECT CASE kind WHEN 'skipped' THEN 'skipped' ELSE 'errors' END, 0, 1 FROM (SELECT NEW.kind AS kind) WHERE true ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER failure_changed AFTER UPDATE OF kind ON failures BEGIN
        INSERT INTO tallies SELECT CASE kind WHEN 'skipped' THEN 'skipped' ELSE 'errors' END, 0, -1 FROM (SELECT OLD.kind AS kind) WHERE true ON CONFLICT DO UPDATE SET value = value + excluded.value;
        INSERT INTO tallies SELECT CASE kind WHEN 'skipped' THEN 'skipped' ELSE 'errors' END, 0, 1 FROM (SELECT NEW.kind AS kind) WHERE true ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
CREATE TRIGGER failure_removed AFTER DELETE ON failures BEGIN
        INSERT INTO tallies SELECT CASE kind WHEN 'skipped' THEN 'skipped' ELSE 'errors' END, 0, -1 FROM (SELECT OLD.kind AS kind) WHERE true ON CONFLICT DO UPDATE SET value = value + excluded.value;
    END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('roots',1);
INSERT INTO "sqlite_sequence" VALUES('models',1);
INSERT INTO "sqlite_sequence" VALUES('photos',3);
INSERT INTO "sqlite_sequence" VALUES('journal',7);
COMMIT;
