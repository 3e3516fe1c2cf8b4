;; Loops for ever.
;; expect: evaluate: out of fuel in evaluate: the limit is 5001000
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (loop (br 0)) (unreachable))
)
