;; A fact wants a payload for a number.
;; expect: load: manifest: fact 0 wants a payload, which a value of type `Long` hasn't
(module
  ;; manifest {"facts": [{"axis": "job", "read": {"value": 0}, "type": "long", "payload": true}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
