;; Its answer has the tag of a frame.
;; expect: evaluate: malformed answer: expected the tag 0x45474101, found 0x45474601
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 5 words: 0x45474601 1 0 0 0
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\46\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
