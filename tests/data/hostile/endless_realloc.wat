;; Loops for ever when asked for room.
;; expect: evaluate: out of fuel in realloc: the limit is 5001000
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) (unreachable))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
