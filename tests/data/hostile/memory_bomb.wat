;; Grows its memory a page at a time, and touches each page.
;; expect: evaluate: memory limit exceeded in evaluate: 67174400 bytes wanted, the limit is 67108864
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32)
    (local $page i32)
    (loop $more
      (local.set $page (memory.grow (i32.const 1)))
      (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
      (br_if $more (i32.ne (local.get $page) (i32.const -1))))
    (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
