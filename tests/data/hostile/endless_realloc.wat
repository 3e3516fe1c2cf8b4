;; Loops for ever when asked for room.
;; expect:
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) (unreachable))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
