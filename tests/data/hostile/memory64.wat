;; Has a memory with 64-bit addresses.
;; expect: load: invalid component at byte 44: memory64 must be enabled for 64-bit memories
(module
  ;; manifest
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (memory (export "memory") i64 1)
)
