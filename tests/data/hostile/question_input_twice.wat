;; A question takes the agent for the job.
;; expect: load: manifest: input of a question `0` is given twice
(module
  ;; manifest {"questions": [{"action": {"type": "Export::Action", "id": "export"}, "principal": "Export::Agent", "resource": "Export::Job", "binding": {"principal": 0, "resource": 0, "context": {"attributes": {}}}, "axis": "job", "facts": [], "policies": [0, 1]}, {"action": {"type": "Export::Action", "id": "include"}, "principal": "Export::Agent", "resource": "Export::Customer", "binding": {"principal": 0, "resource": 2, "context": {"attributes": {}}}, "axis": "job", "facts": [], "policies": [2]}, {"action": {"type": "Export::Action", "id": "reveal_partial"}, "principal": "Export::Agent", "resource": "Export::Field", "binding": {"principal": 0, "resource": 3, "context": {"attributes": {}}}, "axis": "job", "facts": [], "policies": [2]}, {"action": {"type": "Export::Action", "id": "reveal_plain"}, "principal": "Export::Agent", "resource": "Export::Field", "binding": {"principal": 0, "resource": 3, "context": {"attributes": {}}}, "axis": "job", "facts": [], "policies": [2]}, {"action": {"type": "Export::Action", "id": "reveal_token"}, "principal": "Export::Agent", "resource": "Export::Field", "binding": {"principal": 0, "resource": 3, "context": {"attributes": {}}}, "axis": "job", "facts": [], "policies": [2]}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
