;; Declares more memory than a guest may have.
;; expect: load: the core module has 67174400 bytes of memory, at most 67108864 are allowed
(module
  ;; manifest
  (memory (export "memory") 1025)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
)
