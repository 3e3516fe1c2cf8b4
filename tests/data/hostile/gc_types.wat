;; Uses types with a garbage collector.
;; expect: load: invalid component at byte 22: struct indexed types not supported without the gc feature
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (type (struct (field i32)))
)
