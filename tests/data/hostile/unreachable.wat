;; Gives up.
;; expect: evaluate: the guest gave up in evaluate: `unreachable` executed
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (unreachable))
)
