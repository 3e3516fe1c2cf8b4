;; Gives up when asked for room.
;; expect: evaluate: the guest gave up in realloc: `unreachable` executed
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
