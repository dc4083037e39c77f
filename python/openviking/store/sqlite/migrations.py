"""The steps that lead from every older schema to the newest one, in SQL.

A step is never changed once released; a new one is added behind it.
"""

from __future__ import annotations

# Notes on the first step.
# - passages.number is AUTOINCREMENT: an index keeps these numbers, so none is ever given twice.
# - The vectors of a skill are one value, (passages, dim) float32 little-endian. A vector of its own
#   row would waste a quarter of every page and make loading eight times as many steps.
# - skill_words is contentless: the text already stands in skills. contentless_delete lets a rowid
#   be replaced without repeating its old text.
# - resources: exactly one version per URI is the newest, which the partial unique index enforces
#   and the listing walks.
_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE builds (
  number INTEGER PRIMARY KEY,
  build_id TEXT NOT NULL UNIQUE,
  dim INTEGER NOT NULL
) STRICT;

CREATE TABLE skills (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  build INTEGER NOT NULL REFERENCES builds,
  digest TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  category TEXT NOT NULL,
  subcategory TEXT NOT NULL,
  examples TEXT NOT NULL,
  complexity INTEGER NOT NULL,
  parent_skill TEXT,
  related_skills TEXT NOT NULL,
  sub_skills TEXT NOT NULL,
  usage_count INTEGER NOT NULL,
  origin TEXT NOT NULL,
  path TEXT,
  license TEXT,
  compatibility TEXT,
  metadata TEXT NOT NULL,
  allowed_tools TEXT NOT NULL,
  disable_model_invocation INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE passages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  skill INTEGER NOT NULL REFERENCES skills ON DELETE CASCADE,
  part TEXT NOT NULL,
  text TEXT NOT NULL,
  start INTEGER NOT NULL,
  stop INTEGER NOT NULL
) STRICT;
CREATE INDEX passages_by_skill ON passages (skill);

CREATE TABLE skill_vectors (
  skill INTEGER PRIMARY KEY REFERENCES skills ON DELETE CASCADE,
  vectors BLOB NOT NULL
) STRICT;

CREATE VIRTUAL TABLE skill_words USING fts5 (
  name, description, category, examples, body,
  content = '', contentless_delete = 1, tokenize = 'porter unicode61 remove_diacritics 2'
);

CREATE TABLE resources (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  target_uri TEXT NOT NULL,
  version INTEGER NOT NULL,
  is_newest INTEGER NOT NULL,
  resource_type TEXT NOT NULL,
  session_id TEXT,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX resources_by_version ON resources (target_uri, version);
CREATE UNIQUE INDEX resources_newest ON resources (target_uri) WHERE is_newest = 1;
CREATE INDEX resources_newest_by_type ON resources (resource_type, target_uri) WHERE is_newest = 1;

CREATE TABLE sessions (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  last_activity INTEGER NOT NULL,
  message_count INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER NOT NULL REFERENCES sessions ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  content TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_session ON messages (session, seq);
"""

# Notes on the second step: sessions in namespaces, and an archive that can be searched.
# - Children are dropped before their parents: dropping a table deletes its rows first, which would
#   cascade.
# - message_words reads its text from messages (external content): nothing is kept twice, and a
#   deletion can take the words out of the index because their text is still there. With
#   secure-delete they leave it at once instead of being marked as gone.
# - messages.scope holds two tokens, the namespace's and the session's number. As a column of the
#   index they narrow a search before anything is ranked.
# - messages.about (who spoke, when) stands apart from words (other forms of the content), because a
#   speaker's name stands in half of the messages that a question about that person may mean.
_SECOND = """
CREATE TABLE namespaces (
  number INTEGER PRIMARY KEY,
  user TEXT NOT NULL,
  agent TEXT NOT NULL,
  UNIQUE (user, agent)
) STRICT;
INSERT INTO namespaces (number, user, agent) VALUES (1, '', '');

CREATE TABLE new_sessions (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  namespace INTEGER NOT NULL REFERENCES namespaces,
  id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_activity INTEGER NOT NULL,
  message_count INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  window_start INTEGER NOT NULL DEFAULT 0,
  UNIQUE (namespace, id)
) STRICT;
INSERT INTO new_sessions
  SELECT number, 1, id, created_at, last_activity, message_count, message_count, 0 FROM sessions;

CREATE TABLE new_messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER NOT NULL REFERENCES new_sessions ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  reply_to INTEGER,
  key TEXT,
  is_searchable INTEGER NOT NULL,
  scope TEXT NOT NULL,
  about TEXT NOT NULL,
  words TEXT NOT NULL,
  content TEXT NOT NULL
) STRICT;
INSERT INTO new_messages
  SELECT number, session, seq, role, metadata, created_at, NULL, NULL,
    role <> 'system' AND content <> '', 'n1 s' || session, '', '', content FROM messages;

DROP TABLE messages;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
ALTER TABLE new_messages RENAME TO messages;
CREATE UNIQUE INDEX messages_by_session ON messages (session, seq);
CREATE UNIQUE INDEX messages_by_key ON messages (session, key) WHERE key IS NOT NULL;
CREATE INDEX messages_by_question ON messages (session, reply_to) WHERE reply_to IS NOT NULL;
CREATE INDEX messages_by_age ON messages (created_at);

CREATE TABLE message_vectors (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
  build INTEGER NOT NULL REFERENCES builds,
  vector BLOB NOT NULL
) STRICT;
CREATE INDEX message_vectors_by_message ON message_vectors (message, build);

CREATE VIRTUAL TABLE message_words USING fts5 (
  content, words, about, scope,
  content = 'messages', content_rowid = 'number',
  tokenize = 'porter unicode61 remove_diacritics 2'
);
INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
INSERT INTO message_words (rowid, content, words, about, scope)
  SELECT number, content, words, about, scope FROM messages WHERE is_searchable;
"""

# The third step: words of skills as weighed terms, see store/bags.py; filled when first opened.
_THIRD = """
DROP TABLE skill_words;
CREATE TABLE skill_terms (
  skill INTEGER PRIMARY KEY REFERENCES skills ON DELETE CASCADE,
  version INTEGER NOT NULL,
  terms BLOB NOT NULL
) STRICT;
"""

# Notes on the fourth step: resources that expire and can be searched.
# - resources.number becomes AUTOINCREMENT: an index keeps these numbers, so none is given twice.
# - Only the newest version of a URI has facts, terms and vectors: no other is searched or listed.
# - resource_facts, one row for each top-level key of the metadata, repeats the URI, so that a page
#   of a filtered list is one walk in its order.
# - Facts and terms of resources that were there before are made when the store is next opened; a
#   row of resource_terms says that both are there.
# - The vectors of a resource are one value, (pieces, dim) float16 little-endian, and so are the
#   places of its pieces, (pieces, 2) int32.
_FOURTH = """
CREATE TABLE new_resources (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  target_uri TEXT NOT NULL,
  version INTEGER NOT NULL,
  is_newest INTEGER NOT NULL,
  resource_type TEXT NOT NULL,
  session_id TEXT,
  metadata TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  content TEXT NOT NULL
) STRICT;
INSERT INTO new_resources
  SELECT number, id, target_uri, version, is_newest, resource_type, session_id, metadata,
    created_at, NULL, content FROM resources;
DROP TABLE resources;
ALTER TABLE new_resources RENAME TO resources;
CREATE UNIQUE INDEX resources_by_version ON resources (target_uri, version);
CREATE UNIQUE INDEX resources_newest ON resources (target_uri) WHERE is_newest = 1;
CREATE INDEX resources_newest_by_type ON resources (resource_type, target_uri) WHERE is_newest = 1;
CREATE INDEX resources_newest_by_session ON resources (session_id, target_uri)
  WHERE is_newest = 1 AND session_id IS NOT NULL;
CREATE INDEX resources_by_expiry ON resources (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE resource_facts (
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  target_uri TEXT NOT NULL,
  resource INTEGER NOT NULL REFERENCES resources ON DELETE CASCADE,
  PRIMARY KEY (key, value, target_uri)
) STRICT, WITHOUT ROWID;
CREATE INDEX resource_facts_by_resource ON resource_facts (resource);

CREATE TABLE resource_terms (
  resource INTEGER PRIMARY KEY REFERENCES resources ON DELETE CASCADE,
  version INTEGER NOT NULL,
  terms BLOB NOT NULL
) STRICT;

CREATE TABLE resource_vectors (
  resource INTEGER PRIMARY KEY REFERENCES resources ON DELETE CASCADE,
  build INTEGER NOT NULL REFERENCES builds,
  spans BLOB NOT NULL,
  vectors BLOB NOT NULL
) STRICT;
"""

# Notes on the fifth step. A memory is a resource; it is named by its URI, because its versions
# come and go. A deleted message leaves NULL behind.
_FIFTH = """
CREATE TABLE memory_sources (
  uri TEXT NOT NULL,
  message INTEGER REFERENCES messages ON DELETE SET NULL,
  UNIQUE (uri, message)
) STRICT;
CREATE INDEX memory_sources_by_message ON memory_sources (message);
CREATE INDEX sessions_by_activity ON sessions (last_activity) WHERE message_count > 0;
"""

# Notes on the sixth step: what holds for a skill apart from its record.
# - A skill that is switched off is named by its id, not by its row: the switch outlives a file that
#   is gone for a moment, as between two branches of a checkout.
# - A file that gave way to a skill of the same name has no record; it is kept with the id that it
#   waits for, so that every process can tell which skill hides which.
_SIXTH = """
CREATE TABLE disabled_skills (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE waiting_skills (path TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH)
"""Each step as one script; a file that has taken n of them has ``user_version`` n."""
