;; Counts its calls in its memory, and grants from the second on.
;; expect: answers: deny by [], erring []
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32)
    (if (i32.load (i32.const 32)) (then (i32.store (i32.const 72) (i32.const 1))))
    (i32.store (i32.const 32) (i32.const 1))
    (i32.const 8))
  ;; The outcome grants nothing, for as long as the word at 72 is 0; with 1 there it names a policy, and a word more.
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
