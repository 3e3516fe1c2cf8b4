;; Grows by a page and offers the page after that.
;; expect: evaluate: realloc returned 0x20000 for 136 bytes: outside the memory of 131072 bytes
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.mul (i32.add (memory.grow (i32.const 1)) (i32.const 1)) (i32.const 65536)))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
