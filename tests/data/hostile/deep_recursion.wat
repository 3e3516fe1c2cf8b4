;; Calls itself without end.
;; expect: evaluate: stack overflow in evaluate
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func $f (export "evaluate") (param i32 i32) (result i32) (i32.add (call $f (local.get 0) (local.get 1)) (i32.const 1)))
)
