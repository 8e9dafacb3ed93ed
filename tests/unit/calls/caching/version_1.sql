-- What the first released schema of the call cache holds: three calls as they were stored then.
PRAGMA application_id=1685286251;
PRAGMA user_version=1;
CREATE TABLE calls (
            key TEXT NOT NULL PRIMARY KEY,
            request TEXT NOT NULL,
            response TEXT NOT NULL,
            created_at TEXT NOT NULL,
            rule TEXT NOT NULL,
            model TEXT NOT NULL,
            provider TEXT NOT NULL
        );
INSERT INTO calls VALUES ('sha256:90dc3dfde6eff3dbd671cce28a664fbada5b33006d0eeac32c2ec377e9b972ef',
  '{"messages":[{"content":"hello","role":"user"}],"model":{"model":"model-a","provider":"echo"},"sample":0,"v":1}',
  '{"text":"hi","finish_reason":"stop","model":"model-a-2025","usage":{"input_tokens":5,"cached_input_tokens":1,"output_tokens":7,"reasoning_tokens":2},"created_at":"2025-01-01T00:00:00+00:00","latency_seconds":0.5,"request_id":"id","system_fingerprint":"fingerprint"}',
  '2025-01-01T00:00:00+00:00',
  'greet',
  'model-a',
  'echo');
INSERT INTO calls VALUES ('sha256:05f8a4dc35519bcac5ac55f5d2b96d81d94f0d2920ae804976f3d050cebfcff1',
  '{"messages":[{"content":"hello","role":"user"}],"model":{"base_url":"https://models.example/v1","model":"gpt","provider":"openai"},"sample":0,"v":1}',
  '{"text":"half a pair \ud83e","finish_reason":"stop","model":"model-a-2025","usage":{"input_tokens":5,"cached_input_tokens":1,"output_tokens":7,"reasoning_tokens":2},"created_at":"2025-01-01T00:00:00+00:00","latency_seconds":0.5,"request_id":"id","system_fingerprint":"fingerprint","retries":2}',
  '2025-01-01T00:00:00+00:00',
  'greet',
  'gpt',
  'openai');
INSERT INTO calls VALUES ('sha256:c42575f379642ec1e692c3cedc6276074af4dabb02a9c4111e9f1ad46b6a5099',
  '{"messages":[{"content":"third","role":"user"}],"model":{"model":"model-a","provider":"echo"},"sample":0,"v":1}',
  '{"text":"never","finish_reason":"stop","model":"model-a-2025","usage":{"input_tokens":5,"cached_input_tokens":1,"output_tokens":7,"reasoning_tokens":2},"created_at":"2025-01-01T00:00:00+00:00","latency_seconds":0.5,"request_id":"id","system_fingerprint":"fingerprint","logprobs":[{"token":"a","logprob":-Infinity,"top":[]}]}',
  '2025-01-01T00:00:00+00:00',
  '',
  'model-a',
  'echo');
