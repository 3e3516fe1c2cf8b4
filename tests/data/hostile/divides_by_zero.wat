;; Divides by zero.
;; expect: evaluate: trap in evaluate: integer divide by zero
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.div_u (i32.const 1) (i32.const 0)))
)
