;; The digest of its schema is that of another.
;; expect: load: manifest: the schema's digest isn't that of its text
(module
  ;; manifest {"schema": {"sha256": "0000000000000000000000000000000000000000000000000000000000000000"}}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
