;; A fact of a customer claims to be one of the job.
;; expect: load: manifest: fact 0 is on the axis Job, its inputs are on Row
(module
  ;; manifest {"terms": [{"input": 2}], "facts": [{"axis": "job", "read": {"state": 0}, "type": "bool", "payload": false}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
