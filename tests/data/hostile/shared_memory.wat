;; Has a memory that threads share.
;; expect: load: invalid component at byte 44: threads must be enabled for shared memories
(module
  ;; manifest
  (memory (export "memory") 1 1 shared)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
