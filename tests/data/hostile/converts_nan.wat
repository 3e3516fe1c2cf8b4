;; Makes an integer of what is no number.
;; expect: evaluate: trap in evaluate: invalid conversion to integer
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.trunc_f32_s (f32.const nan)))
)
