;; Imports its memory.
;; expect: load: the core module imports `env` `memory`
(module
  ;; manifest
  (import "env" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
